"""FlowVQTalker: flow-based generators of expressions and poses, and a vector-quantised image generator."""

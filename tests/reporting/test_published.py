import numpy as np
import pytest

from gmbench.errors import InputError
from gmbench.metrics.theval import REAL
from gmbench.reporting import latents, method_cards, published_tables
from gmbench.reporting.table_formats import render


def test_every_published_figure_stands_in_a_table():
    tables = published_tables.published_tables()
    assert sum(len(t.cells) for t in tables) == len(published_tables._rows("published_results.csv")) > 800
    first = published_tables.select("GMTalker", "MEAD")[0]
    assert first.cells["MakeItTalk", "PSNR"] == "18.79"


def test_the_final_scores_of_theval_are_the_means_of_their_parts():
    table = next(t for t in published_tables.published_tables() if (t.source, t.table) == ("THEval", "1"))
    parts = [metric for metric in table.metrics if metric != "Final Score"]
    assert (len(table.methods), len(parts)) == (17, 8)
    for method in table.methods:
        mean = np.mean([float(table.cells[method, metric]) for metric in parts])
        assert float(table.cells[method, "Final Score"]) == pytest.approx(mean, abs=1.01e-4)
    raw = next(t for t in published_tables.published_tables() if (t.source, t.table) == ("THEval", "raw"))
    assert sorted(float(v) for v in raw.cells.values()) == sorted(REAL.values())


def test_errata_mark_the_cells_they_concern():
    tables = {(t.source, t.table): t for t in published_tables.published_tables()}
    text = render(published_tables.as_table(tables["GMTalker", "IV"]), "md")
    truth = next(line for line in text.splitlines() if line.startswith("| Ground truth"))
    assert "0.435 (1)" in truth
    assert "1. PCM of the ground truth" in text
    assert "(8)" in render(published_tables.as_table(tables["EDTalk", "1"]), "md")
    numbers = [erratum.number for erratum in published_tables.errata()]
    assert numbers == list(range(1, 20))
    for erratum in published_tables.errata():
        shown = [t for t in tables.values() if erratum.concerns(t.source, t.table)]
        assert shown, erratum.number
    assert "<li value=19>" in published_tables.errata_html()


def test_unknown_papers_are_named():
    with pytest.raises(InputError, match="GMTalker"):
        published_tables.select("GMTalk", None)


def test_latents_file_to_rows_and_map(tmp_path):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(c, 0.5, (20, 5)) for c in (0, 5, 0, 5)])
    emotion = np.repeat(["happy", "sad", "happy", "sad"], 20)
    speaker = np.repeat(["A", "A", "B", "B"], 20)
    np.savez(tmp_path / "l.npz", embeddings=x, emotion=emotion, speaker=speaker)
    found = latents.read_latents(tmp_path / "l.npz")
    rows = {(row["measure"], row["emotion"]): row for row in latents.latent_rows(found)}
    assert rows["d_cls", "happy"]["identities"] == 2
    assert rows["d_cls", "happy"]["value"] > 3
    assert rows["knn_purity", ""]["value"] == 1.0
    latents.draw_map(found, tmp_path / "map")
    assert (tmp_path / "map.png").stat().st_size > 5000
    np.savez(tmp_path / "bad.npz", embeddings=x[:3], emotion=emotion)
    for name, message in (("bad.npz", "expected"), ("none.npz", "no such file")):
        with pytest.raises(InputError, match=message):
            latents.read_latents(tmp_path / name)


@pytest.mark.parametrize(
    ("method", "taken"),
    [("gmtalker", "nothing"), ("gmtalker-pose", "pose, eyes"), ("wav2lip", "nothing"), ("eamm", "not known: card")],
)
def test_a_card_says_what_a_method_takes_from_the_reference(method, taken):
    assert str(method_cards.facts_of(method)["from the reference"]).startswith(taken)


def test_a_folder_of_videos_called_ours_is_not_gmtalker(tmp_path, monkeypatch):
    """'ours' asks the command for GMTalker; in records it is what somebody called so."""
    monkeypatch.chdir(tmp_path)
    assert method_cards.card_of("ours") is None
    assert method_cards.card_of("ours-pose") is None
    assert method_cards.facts_of("ours")["title"] == "GMTalker"
    (tmp_path / "dropin" / "ours").mkdir(parents=True)
    lines = ["title: Mine", "emotion_sources: [label]", "default_source: label"]
    lines += ["pose: generate", "eye: generate", "emotion: generate"]
    (tmp_path / "dropin" / "ours" / "card.yaml").write_text("\n".join(lines))
    assert method_cards.card_of("ours").title == "Mine"
    assert method_cards.facts_of("ours")["title"] == "Mine"

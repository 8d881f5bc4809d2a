import pytest

from gmbench.metrics.key import MetricKey


@pytest.mark.parametrize(
    ("text", "key", "backend"),
    [
        ("psnr", MetricKey("psnr"), "official"),
        ("acc_emo_macro", MetricKey("acc_emo_macro"), "official"),
        ("m_lmd_fb:mediapipe", MetricKey("m_lmd", "mediapipe"), "fallback:mediapipe"),
        ("div_fb:pnp-mediapipe", MetricKey("div", "pnp-mediapipe"), "fallback:pnp-mediapipe"),
        ("e_ppl_fb:own-0a1b2c3d", MetricKey("e_ppl", "own-0a1b2c3d"), "fallback:own-0a1b2c3d"),
        ("open_dtw@gamma=0.1", MetricKey("open_dtw", "", "gamma=0.1"), "official"),
        ("open_dtw@gamma=0.1_fb:fan", MetricKey("open_dtw", "fan", "gamma=0.1"), "fallback:fan"),
        ("x_fb:a_fb:b", MetricKey("x", "a_fb:b"), "fallback:a_fb:b"),
    ],
)
def test_a_key_and_its_text_are_the_same_thing(text, key, backend):
    assert MetricKey.parse(text) == key
    assert str(key) == text
    assert key.backend == backend


def test_keys_order_by_name_and_an_official_extractor_comes_first():
    keys = [MetricKey("psnr"), MetricKey("div", "mediapipe"), MetricKey("div"), MetricKey("div", "corpus")]
    assert [str(key) for key in sorted(keys)] == ["div", "div_fb:corpus", "div_fb:mediapipe", "psnr"]

"""A text in the named language's own characters is one stretch, which the detector of languages need not be asked."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemill.text import routes
from voicemill.text.routes import route

_SIGNS = "今天我们去公园あいうカタ가나다。，！?.- 12%km３℃①😀「」（）—〜…\n\t々ー"


@pytest.mark.parametrize("language", [name for name in routes.ROUTES if name not in ("en", "auto", "auto_yue")])
@given(text=st.text(st.sampled_from(_SIGNS), max_size=14))
def test_the_short_way_gives_what_the_long_way_gives(language: str, text: str):
    short = route(text, language)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routes, "_OWN_SCRIPT", re.compile("(?!)"))
        assert route(text, language) == short

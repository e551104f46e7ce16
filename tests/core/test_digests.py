import re
from pathlib import Path

from voicemill.core.digests import content_digest, file_digest, listing_digest
from voicemill.storage import fingerprint

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_text_bytes_and_files_have_the_digest_of_their_content(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"abc")
    assert content_digest("abc") == content_digest(b"abc") == file_digest(tmp_path / "a.txt") == ABC
    assert file_digest(tmp_path / "a.txt", "md5") == "900150983cd24fb0d6963f7d28e17f72"
    assert content_digest("\udcff") == content_digest("\\udcff"), "a file name that is not UTF-8"


def test_a_folder_s_digest_is_that_of_its_listing(tmp_path: Path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b/a.txt").write_bytes(b"abc")
    expected = content_digest(f"b/a.txt\0{ABC}\n")
    assert listing_digest([("b/a.txt", ABC)]) == fingerprint(tmp_path) == expected


def test_no_other_module_digests_files_its_own_way():
    root = Path(__file__).parents[2]
    own_way = re.compile(r"hashlib\.file_digest|hashlib\.sha256\([^)]*read_bytes\(")
    found = [
        path.relative_to(root).as_posix()
        for folder in ("voicemill", "stages", "workflows")
        for path in (root / folder).rglob("*.py")
        if own_way.search(path.read_text(encoding="utf-8")) and path.name != "digests.py"
    ]
    assert found == []

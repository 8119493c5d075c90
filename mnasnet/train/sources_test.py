"""Sources: what is found in folders, parquet files and on the hub, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mnasnet.train.conftest import image_folder, parquet, picture
from mnasnet.train.sources import DIGITS, Source, digests_of, open_source


def rows(source: Source) -> dict[str, int]:
    """How many images each split has."""
    return {split: len(rows) for split, rows in source.splits.items()}


def test_the_digits_are_images_like_any_others(tmp_path: Path) -> None:
    source = open_source(DIGITS, cache=tmp_path)
    assert source.classes == tuple("0123456789")
    assert rows(source) == {"train": 1797}
    assert source.read(0)[:2] == b"BM"
    assert source.name_of(7) == "digit 7"


def test_a_folder_may_bring_splits_and_its_topmost_folders_are_the_classes(tmp_path: Path) -> None:
    image_folder(tmp_path / "set" / "train", each=10)
    image_folder(tmp_path / "set" / "valid", each=3, seed=1)
    image_folder(tmp_path / "set" / "test", each=2, seed=2)
    (tmp_path / "set" / "train" / "cat" / "2024").mkdir()
    picture(99).save(tmp_path / "set" / "train" / "cat" / "2024" / "new.png")
    source = open_source(str(tmp_path / "set"), cache=tmp_path)
    assert source.classes == ("cat", "dog")
    assert rows(source) == {"train": 21, "validation": 6, "test": 4}
    assert [source.labels[part].tolist() for part in source.splits.values()] == [
        [0] * 11 + [1] * 10,
        [0] * 3 + [1] * 3,
        [0] * 2 + [1] * 2,
    ]
    assert source.name_of(source.splits["validation"][0]) == "valid/cat/0.png"
    written = (tmp_path / "set" / "valid" / "cat" / "0.png").read_bytes()
    assert source.read(source.splits["validation"][0]) == written


def test_names_of_files_and_classes_do_not_make_splits(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "a [set]", classes=("train", "car"), each=6)
    for file in list(root.glob("*/*.png")):
        file.rename(file.with_name(f"test_{file.stem}.PNG"))
    (root / "car" / "notes.txt").write_text("not an image")
    source = open_source(str(root), cache=tmp_path)
    assert source.classes == ("car", "train")
    assert rows(source) == {"train": 12}


def test_parquet_files_are_read_by_their_own_names_of_splits(tmp_path: Path) -> None:
    parquet(tmp_path / "set" / "train.parquet", each=10, classes=("zebra", "ant"))
    parquet(tmp_path / "set" / "test.parquet", each=3, classes=("zebra", "ant"), seed=1)
    source = open_source(str(tmp_path / "set"), cache=tmp_path)
    assert source.classes == ("zebra", "ant")  # the file's own order
    assert rows(source) == {"train": 20, "test": 6}
    assert source.name_of(21).startswith("test row 1")

    alone = open_source(str(tmp_path / "set" / "test.parquet"), cache=tmp_path)
    assert rows(alone) == {"train": 6}


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    file = parquet(tmp_path / "own.parquet", each=6)
    before = digests_of(open_source(str(file), cache=tmp_path / "cache"), None)
    parquet(file, each=7, seed=1)
    after = digests_of(open_source(str(file), cache=tmp_path / "cache"), None)
    assert len(before) == 12
    assert len(after) == 14
    assert set(before).isdisjoint(after)


def test_unlabelled_test_images_are_left_out(tmp_path: Path) -> None:
    import datasets

    parquet(tmp_path / "set" / "train.parquet", each=10)
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    hidden = datasets.Dataset.from_dict({"image": [picture(1)], "label": [-1]}, features=features)
    with (tmp_path / "set" / "test.parquet").open("wb") as file:
        hidden.to_parquet(file)
    assert rows(open_source(str(tmp_path / "set"), cache=tmp_path / "cache")) == {"train": 20}


def no_such_path(_: Path) -> str:
    return "/no/such/folder"


def empty(root: Path) -> str:
    (root / "cat").mkdir(parents=True)
    return str(root)


def images_without_class_folders(root: Path) -> str:
    root.mkdir()
    picture(0).save(root / "0.png")
    return str(root)


def other_classes_in_val(root: Path) -> str:
    image_folder(root / "train", classes=("cat", "dog"))
    image_folder(root / "val", classes=("cat", "cow"))
    return str(root)


def no_image_column(root: Path) -> str:
    import datasets

    root.mkdir()
    with (root / "train.parquet").open("wb") as file:
        datasets.Dataset.from_dict({"text": ["a"], "label": [0]}).to_parquet(file)
    return str(root)


def no_label_column(root: Path) -> str:
    import datasets

    root.mkdir()
    with (root / "train.parquet").open("wb") as file:
        datasets.Dataset.from_dict({"image": [{"bytes": b"", "path": None}], "kind": [0]}).to_parquet(file)
    return str(root)


def no_parquet_inside(root: Path) -> str:
    root.mkdir()
    (root / "x.parquet").write_bytes(b"nothing of the kind")
    return str(root)


def another_file(root: Path) -> str:
    root.mkdir()
    (root / "x.zip").write_bytes(b"PK")
    return str(root / "x.zip")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_such_path, "/no/such/folder: no such file or folder: give"),
        (empty, "no images in the sub-folders of"),
        (images_without_class_folders, "no images in the sub-folders of"),
        (other_classes_in_val, "differ in their classes, by cow, dog"),
        (no_image_column, "no image column among text, label"),
        (no_label_column, "no label column among image, kind"),
        (no_parquet_inside, "unreadable as parquet"),
        (another_file, r"x\.zip is a file but no parquet file"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    make: Callable[[Path], str], message: str, tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = make(tmp_path / "set")
    capfd.readouterr()
    with pytest.raises(ValueError, match=message) as refusal:
        open_source(source, cache=cache)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_a_hub_name_that_cannot_be_reached_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match=r"nobody/nothing: no such file or folder, and not to be had from"):
        open_source("nobody/nothing", cache=cache)


def test_progress_bars_of_the_library_are_back_after_a_load(tmp_path: Path) -> None:
    import datasets

    open_source(str(image_folder(tmp_path / "set")), cache=tmp_path / "cache")
    assert not datasets.are_progress_bars_disabled()

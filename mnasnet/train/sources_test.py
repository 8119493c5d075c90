"""Sources: what is found in folders, parquet files and on the hub, and what is refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mnasnet.base.errors import RequestError
from mnasnet.train.conftest import encoded, image_folder, parquet, picture
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


def test_splits_are_found_whatever_the_case_of_their_names(tmp_path: Path) -> None:
    image_folder(tmp_path / "set" / "Train", each=4)
    image_folder(tmp_path / "set" / "Test", each=2, seed=1)
    assert rows(open_source(str(tmp_path / "set"), cache=tmp_path)) == {"train": 8, "test": 4}


def test_links_are_followed_but_not_around_a_circle(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", classes=("cat",), each=4)
    elsewhere = image_folder(tmp_path / "elsewhere", each=3, seed=1)
    (root / "dog").symlink_to(elsewhere / "dog")
    (root / "cat" / "more").symlink_to(elsewhere / "cat")
    (root / "cat" / "round").symlink_to(root)
    source = open_source(str(root), cache=tmp_path)
    assert source.classes == ("cat", "dog")
    assert source.labels.tolist() == [0] * (4 + 3) + [1] * 3


def test_what_systems_hide_is_no_class_and_no_image(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set", each=3)
    for hidden in (".cache", "__MACOSX", "cat/.thumbnails"):
        (root / hidden).mkdir()
        picture(1).save(root / hidden / "0.png")
    picture(2).save(root / "dog" / "._0.png")
    assert rows(open_source(str(root), cache=tmp_path)) == {"train": 6}


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


def test_a_row_without_an_image_is_a_corrupt_one(tmp_path: Path) -> None:
    import datasets

    images = [{"bytes": encoded(picture(0)), "path": None}, {"bytes": None, "path": None}, None]
    with (tmp_path / "own.parquet").open("wb") as file:
        datasets.Dataset.from_dict({"image": images, "label": [0, 1, 1]}).to_parquet(file)
    source = open_source(str(tmp_path / "own.parquet"), cache=tmp_path / "cache")
    assert [source.read(row) for row in range(3)] == [encoded(picture(0)), b"", b""]
    assert [source.name_of(row) for row in range(3)] == ["train row 0", "train row 1", "train row 2"]


def no_such_path(_: Path) -> str:
    return "/no/such/folder"


def a_class_without_images(root: Path) -> str:
    image_folder(root)
    (root / "cow").mkdir()
    (root / "cow" / "notes.txt").write_text("not an image")
    return str(root)


def a_class_without_validation_images(root: Path) -> str:
    image_folder(root / "train")
    image_folder(root / "val", seed=1)
    (root / "train" / "cow").mkdir()
    picture(7).save(root / "train" / "cow" / "0.png")
    (root / "val" / "cow").mkdir()
    return str(root)


def no_class_folders_below_train(root: Path) -> str:
    images_without_class_folders(root)
    (root / "train").mkdir()
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


def a_test_folder_beside_classes(root: Path) -> str:
    image_folder(root)
    image_folder(root / "test", seed=1)
    return str(root)


def a_test_image_without_label(root: Path) -> str:
    import datasets

    parquet(root / "train.parquet")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    half = {"image": [picture(1), picture(2)], "label": [0, -1]}
    with (root / "test.parquet").open("wb") as file:
        datasets.Dataset.from_dict(half, features=features).to_parquet(file)
    return str(root)


def no_parquet_inside(root: Path) -> str:
    root.mkdir()
    (root / "x.parquet").write_bytes(b"nothing of the kind")
    return str(root)


def no_train_split(root: Path) -> str:
    parquet(root / "val.parquet")
    parquet(root / "test.parquet")
    return str(root)


def another_file(root: Path) -> str:
    root.mkdir()
    (root / "x.zip").write_bytes(b"PK")
    return str(root / "x.zip")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_such_path, "/no/such/folder: no such file or folder: give"),
        (a_class_without_images, r"no image files, such as \.jpg or \.png, in \S+/set/cow: put"),
        (a_class_without_validation_images, r"in \S+/set/val/cow: put the images"),
        (images_without_class_folders, r"/set: it has no sub-folders: give .* \S+/set/cat/1\.jpg"),
        (no_class_folders_below_train, r"no image files, such as \.jpg or \.png, in \S+/set/train: put"),
        (other_classes_in_val, "of train and validation only one has images of cow, dog: give both"),
        (a_test_folder_beside_classes, r"/set/test holds classes, .* no \S+/set/train beside it: move"),
        (a_test_image_without_label, "1 of the 2 images in split 'test' have no label in column 'label'"),
        (no_image_column, "no image column among text, label"),
        (no_label_column, "no label column among image, kind"),
        (no_parquet_inside, "cannot be read as parquet"),
        (no_train_split, r"several splits \(validation, test\) and none is called train: call one so"),
        (another_file, r"x\.zip: a file but not a parquet file"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    make: Callable[[Path], str], message: str, tmp_path: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = make(tmp_path / "set")
    capfd.readouterr()
    with pytest.raises(RequestError, match=message) as refusal:
        open_source(source, cache=cache)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_a_hub_name_that_cannot_be_reached_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    said: list[tuple[str, int, int]] = []
    with pytest.raises(
        RequestError, match=r"^`data` pets: no such file or folder here, and .* cannot be reached"
    ):
        open_source("pets", cache=cache, progress=lambda *step: said.append(step))
    assert said == [("asking the Hugging Face hub for pets", 0, 1)]


@pytest.mark.parametrize("closed", [".", "cow", "train", "train/cat", "val", "val/dog/2024"])
def test_a_folder_that_cannot_be_read_is_named_and_not_left_out(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "set"
    for folder in (root / "train", root / "val") if "/" in closed or closed in ("train", "val") else (root,):
        image_folder(folder, classes=("cat", "cow", "dog"))
        (folder / "dog" / "2024").mkdir()
    scandir = os.scandir

    def refusing(folder: Path) -> object:
        if Path(folder) == root / closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)  # to root, who may run this, no folder is closed
    with pytest.raises(
        RequestError, match=rf"^{root / closed} cannot be read \(Permission denied\): make it"
    ):
        open_source(str(root), cache=tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "set")
    (root / "cat" / "gone.png").symlink_to("nowhere.png")
    with pytest.raises(
        RequestError, match=r"/set/cat/gone\.png cannot be read \(No such file or directory\)"
    ):
        digests_of(open_source(str(root), cache=tmp_path), None)


def test_a_cache_that_cannot_be_written_is_no_mistake_in_the_data(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"cannot keep images in .*/cache/datasets .* or set MNASNET_CACHE"):
        open_source(str(parquet(tmp_path / "own.parquet")), cache=tmp_path / "cache")


def test_progress_bars_of_the_library_are_back_after_a_load(tmp_path: Path) -> None:
    import datasets

    open_source(str(image_folder(tmp_path / "set")), cache=tmp_path / "cache")
    assert not datasets.are_progress_bars_disabled()

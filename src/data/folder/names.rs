//! What files and folders are called: pictures, parts of data sets, and what programs leave.

use std::path::Path;

/// Extensions of the pictures that are read; what a picture is, its first bytes tell.
pub(super) const EXTENSIONS: [&str; 15] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "bmp", "webp", "tif", "tiff", "gif", "pnm", "pbm", "pgm",
    "ppm", "pam",
];
/// Folders that archivers, file servers and operating systems leave: no classes.
pub(super) const JUNK_FOLDERS: [&str; 8] = [
    "__MACOSX",
    "@eaDir",
    "#recycle",
    "@Recycle",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
    "__pycache__",
];
/// Files that the file managers of operating systems leave.
pub(super) const JUNK_FILES: [&str; 5] = [
    "Thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "Icon\r",
];
/// What the parts of a divided data set are called, each with the name that it has here: a class seldom is.
const PARTS: [(&str, &[&str]); 3] = [
    ("train", &["training", "train"]),
    (
        "valid",
        &[
            "validation",
            "validate",
            "valid",
            "val",
            "dev",
            "evaluation",
            "eval",
            "holdout",
        ],
    ),
    ("test", &["testing", "test"]),
];
/// What may stand before or behind that.
const BESIDE_PARTS: [&str; 10] = [
    "set", "dataset", "data", "images", "image", "imgs", "img", "pictures", "split", "folder",
];
/// What may stand before alone, as in Intel's data set of scenes.
const BEFORE_PARTS: &str = "seg";

/// The part that a folder of this name holds ("train", "valid" or "test"), in any case and with any of `-`, `_`, `.` and space;
/// `None` for the name of none.
pub fn part_named(name: &str) -> Option<&'static str> {
    let letters: String = name
        .chars()
        .filter(|letter| !"-_. ".contains(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    let beside = |rest: &str| rest.is_empty() || BESIDE_PARTS.contains(&rest);
    let before = |rest: &str| beside(rest) || rest == BEFORE_PARTS;
    let called = |word: &&str| {
        letters
            .match_indices(*word)
            .any(|(start, _)| before(&letters[..start]) && beside(&letters[start + word.len()..]))
    };
    let part = PARTS.iter().find(|(_, words)| words.iter().any(called));
    part.map(|(part, _)| *part)
}

/// Whether a folder of this name is one that programs leave, or hidden: no class, and no part.
pub fn is_passed_over(name: &str) -> bool {
    name.starts_with('.')
        || JUNK_FOLDERS
            .iter()
            .any(|junk| name.eq_ignore_ascii_case(junk))
}

/// Whether a file of this name has the extension of a picture.
pub fn is_called_picture(name: &str) -> bool {
    has_known_extension(Path::new(name))
}

pub(super) fn has_known_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|found| {
            EXTENSIONS
                .iter()
                .any(|known| found.eq_ignore_ascii_case(known))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_as_people_spell_them() {
        let named = [
            ("Train", "train"),
            ("training_set", "train"),
            ("seg_train", "train"),
            ("val", "valid"),
            ("Validation Data", "valid"),
            ("hold-out", "valid"),
            ("test.images", "test"),
            ("imgTest", "test"),
        ];
        for (name, part) in named {
            assert_eq!(part_named(name), Some(part), "{name}");
        }
        for name in [
            "trains",
            "class train",
            "contest",
            "testseg",
            "",
            "évaluation",
        ] {
            assert_eq!(part_named(name), None, "{name}");
        }
    }
}

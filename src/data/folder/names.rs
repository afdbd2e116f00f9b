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
/// What the parts of a divided data set are called: a class seldom is.
pub(super) const PARTS: [&str; 11] = [
    "train",
    "training",
    "trainset",
    "test",
    "testing",
    "testset",
    "val",
    "valid",
    "validation",
    "dev",
    "eval",
];

pub(super) fn has_known_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|found| {
            EXTENSIONS
                .iter()
                .any(|known| found.eq_ignore_ascii_case(known))
        })
}

//! The files of a folder and of those below it.

use super::MAX_DEPTH;
use super::names::{JUNK_FILES, JUNK_FOLDERS, has_known_extension};
use crate::data::idx::fault;
use crate::data::picture::Picture;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How files without an extension are called where they are counted.
const NO_EXTENSION: &str = "no extension";

/// The pictures in a folder and in those below it, sorted, and how many files of other kinds there are, by extension.
pub fn pictures_below(path: &Path) -> Result<(Vec<PathBuf>, BTreeMap<String, usize>)> {
    let (mut pictures, mut passed_over) = (Vec::new(), BTreeMap::new());
    find(path, 0, &mut pictures, &mut passed_over)?;
    Ok((pictures, passed_over))
}

pub(super) fn holds_pictures(path: &Path) -> Result<bool> {
    let entries = entries(path)?;
    Ok(entries
        .iter()
        .any(|entry| !entry.is_dir() && has_known_extension(entry)))
}

/// What is in a directory and was put there by its user, sorted.
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || Error::io("could not read", path);
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable())? {
        let entry = entry.map_err(unreadable())?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is = |junk: &&str| name.eq_ignore_ascii_case(junk);
        let path = entry.path();
        let junk = name.starts_with('.')
            || JUNK_FILES.iter().any(is)
            || (JUNK_FOLDERS.iter().any(is) && path.is_dir());
        if !junk {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Adds what is below `directory` to `pictures`, and the number of other files to `passed_over`.
pub(super) fn find(
    directory: &Path,
    depth: usize,
    pictures: &mut Vec<PathBuf>,
    passed_over: &mut BTreeMap<String, usize>,
) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(fault(
            directory,
            &format!(
                "folders of a class may lie {MAX_DEPTH} deep in each other, and these lie deeper"
            ),
        ));
    }
    for path in entries(directory)? {
        if path.is_dir() {
            find(&path, depth + 1, pictures, passed_over)?;
        } else if has_known_extension(&path) {
            pictures.push(path);
        } else if let Some(extension) = path.extension() {
            let extension = format!(".{}", extension.to_string_lossy().to_lowercase());
            *passed_over.entry(extension).or_default() += 1;
        } else if begins_as_a_picture(&path) {
            pictures.push(path);
        } else {
            *passed_over.entry(NO_EXTENSION.to_owned()).or_default() += 1;
        }
    }
    Ok(())
}

/// Whether the first bytes of a file are those of a picture.
fn begins_as_a_picture(path: &Path) -> bool {
    // Opening a pipe waits for somebody to write to it.
    if !path.is_file() {
        return false;
    }
    let mut first = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(32).read_to_end(&mut first));
    read.is_ok() && Picture::is_begun_by(&first)
}

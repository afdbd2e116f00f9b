//! The sub-folders of a folder of pictures: whether they are its classes.

use super::MAX_DEPTH;
use super::files::{entries, holds_pictures, pictures_below};
use super::names::part_named;
use crate::data::idx::fault;
use crate::error::Result;
use std::path::{Path, PathBuf};

/// The names of the sub-folders of `path`, in the order of the classes: without hidden ones and what programs leave.
pub fn class_names_of(path: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in entries(path)? {
        if entry.is_dir() {
            let name = entry.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| {
                fault(
                    &entry,
                    "the name of a class must be Unicode text; rename the folder",
                )
            })?;
            found.push(name.to_owned());
        }
    }
    found.sort();
    if found.iter().all(|name| name.parse::<u64>().is_ok()) {
        found.sort_by_key(|name| name.parse::<u64>().ok());
    }
    if found.is_empty() {
        return Err(fault(
            path,
            "a folder of images must have a sub-folder for each class, and there is none",
        ));
    }
    Ok(found)
}

/// Checks that the sub-folders of `path` can be the classes of a data set.
pub(super) fn check_classes(path: &Path, names: &[String]) -> Result<()> {
    if let [name] = names {
        check_height(path, name)?;
        return Err(fault(
            path,
            &format!(
                "one class is no classification, and {name:?} is the only sub-folder; add a folder for each other class, an empty \
                 one where there are no pictures of it"
            ),
        ));
    }
    if is_divided(path, names)? {
        return Err(fault(
            path,
            &format!(
                "its sub-folders {} are the parts of a data set, not classes; read one of them: {}",
                names.join(", "),
                path.join(&names[0]).display()
            ),
        ));
    }
    Ok(())
}

/// Checks that the only sub-folder isn't the one that should have been passed.
pub(super) fn check_height(path: &Path, name: &str) -> Result<()> {
    if pictures_below(&path.join(name))?.0.is_empty() {
        return Err(fault(
            path,
            "a folder of images must have a sub-folder with pictures for each class, and there is no picture in it",
        ));
    }
    let Some((below, names)) = classes_below(&path.join(name))? else {
        return Ok(());
    };
    let advice = if is_divided(&below, &names)? {
        format!(
            "pass {} where data may be divided, or its part {}",
            below.display(),
            below.join(&names[0]).display()
        )
    } else {
        format!("pass {}", below.display())
    };
    Err(fault(
        path,
        &format!(
            "the folder is too high: {name:?} is its only sub-folder, and the pictures are in the sub-folders of {}; {advice}",
            below.display()
        ),
    ))
}

/// The first folder from `path` down that has several sub-folders, with their names, where none above it holds a picture.
fn classes_below(path: &Path) -> Result<Option<(PathBuf, Vec<String>)>> {
    let mut path = path.to_path_buf();
    for _ in 0..MAX_DEPTH {
        let Ok(mut names) = class_names_of(&path) else {
            return Ok(None);
        };
        if holds_pictures(&path)? {
            return Ok(None);
        }
        if names.len() > 1 {
            return Ok(Some((path, names)));
        }
        path.push(names.remove(0));
    }
    Ok(None)
}

/// Whether these sub-folders are called as parts are, and hold folders, not pictures.
fn is_divided(path: &Path, names: &[String]) -> Result<bool> {
    for name in names {
        let lower = name.to_lowercase();
        let mut words = lower.split(|letter: char| !letter.is_alphanumeric());
        let part = path.join(name);
        if !words.any(|word| part_named(word).is_some())
            || class_names_of(&part).is_err()
            || holds_pictures(&part)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

//! A folder of pictures, one sub-folder for each class: which files are pictures, and of which class.

mod classes;
mod files;
mod names;
mod read;

use super::idx::fault;
use crate::error::Result;
use classes::{check_classes, check_height};
use files::{entries, find};
use names::{EXTENSIONS, has_known_extension};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub use classes::class_names_of;
pub use files::pictures_below;
pub use names::{is_called_picture, is_passed_over, part_named};
pub use read::{Pictures, Wanted};

/// How pictures are called that lie beside the folders of the classes.
const BESIDE: &str = "pictures beside the class folders";
/// Folders in folders.
const MAX_DEPTH: usize = 16;

/// The pictures of a folder before they are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// The names of the sub-folders, in the order of the classes.
    pub class_names: Vec<String>,
    /// The pictures, each with its class.
    pub files: Vec<(PathBuf, usize)>,
    /// How many files were passed over, by extension with its dot; "no extension" and pictures beside the class folders too.
    pub passed_over: BTreeMap<String, usize>,
}

impl Folder {
    /// Finds the pictures below `path`, whose sub-folders are the classes: those of `class_names`, or all, sorted; as numbers
    /// where all names are numbers.
    ///
    /// Hidden files and what operating systems leave are passed over in silence, files of other formats are counted; a file
    /// without an extension is a picture if its first bytes say so. A single class is refused where no `class_names` say that
    /// there are more, and so is a folder whose sub-folders are no classes but hold them.
    pub fn open(path: &Path, class_names: Option<Vec<String>>) -> Result<Self> {
        let found = class_names_of(path)?;
        let class_names = match class_names {
            None => {
                check_classes(path, &found)?;
                found
            }
            Some(names)
                if names
                    .iter()
                    .any(|name| Path::new(name).file_name() != Some(name.as_ref())) =>
            {
                return Err(fault(
                    path,
                    &format!("class names must be names of sub-folders, got {names:?}"),
                ));
            }
            Some(names) => match found.iter().find(|name| !names.contains(name)) {
                None => names,
                Some(unknown) => {
                    if found.len() == 1 {
                        check_height(path, unknown)?;
                    }
                    return Err(fault(
                        path,
                        &format!(
                            "the sub-folders must be classes of {names:?}, got {unknown:?}; rename it or leave it out"
                        ),
                    ));
                }
            },
        };
        let mut files = Vec::new();
        let mut passed_over = BTreeMap::new();
        for (class, name) in class_names.iter().enumerate() {
            let directory = path.join(name);
            if directory.is_dir() {
                let mut pictures = Vec::new();
                find(&directory, 0, &mut pictures, &mut passed_over)?;
                files.extend(pictures.into_iter().map(|file| (file, class)));
            }
        }
        let beside = entries(path)?
            .iter()
            .filter(|entry| !entry.is_dir() && has_known_extension(entry))
            .count();
        if beside > 0 {
            passed_over.insert(BESIDE.to_owned(), beside);
        }
        if files.is_empty() {
            let others: Vec<String> = passed_over
                .iter()
                .map(|(kind, count)| format!("{kind} {count}"))
                .collect();
            let others = if others.is_empty() {
                String::new()
            } else {
                format!("; passed over: {}", others.join(", "))
            };
            return Err(fault(
                path,
                &format!(
                    "the sub-folders of {class_names:?} must hold pictures ({}), and there is none{others}",
                    EXTENSIONS.join(", ")
                ),
            ));
        }
        Ok(Self {
            class_names,
            files,
            passed_over,
        })
    }
}

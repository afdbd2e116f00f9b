//! A folder of pictures, one sub-folder for each class: which files are pictures, and of which class.

use super::idx::fault;
use super::picture::{self, Picture};
use super::survey::Survey;
use crate::config::{ImageShape, Preprocessing};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Extensions of the pictures that are read; what a picture is, its first bytes tell.
pub const EXTENSIONS: [&str; 15] = [
    "png", "jpg", "jpeg", "jpe", "jfif", "bmp", "webp", "tif", "tiff", "gif", "pnm", "pbm", "pgm",
    "ppm", "pam",
];
/// Folders that archivers, file servers and operating systems leave: no classes.
const JUNK_FOLDERS: [&str; 8] = [
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
const JUNK_FILES: [&str; 5] = [
    "Thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "Icon\r",
];
/// What the parts of a divided data set are called: a class seldom is.
const PARTS: [&str; 11] = [
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
/// How files without an extension are called where they are counted.
const NO_EXTENSION: &str = "no extension";
/// How pictures are called that lie beside the folders of the classes.
const BESIDE: &str = "pictures beside the class folders";
/// Bytes above this are refused.
const MAX_BYTES: usize = 8 << 30;
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

/// The pictures of a folder.
pub struct Pictures {
    /// What they were made to.
    pub shape: ImageShape,
    /// Why to that shape, as a sentence; `None` where it was asked for.
    pub shape_rule: Option<String>,
    /// Raw pixels of the whole ones, image by image.
    pub pixels: Vec<u8>,
    /// The class of each.
    pub targets: Vec<i64>,
    /// Pictures that could not be read, and why.
    pub broken: Vec<(PathBuf, String)>,
    /// Pictures of several frames or pages, of which the first was read, and how many.
    pub animated: Vec<(PathBuf, usize)>,
}

/// What pictures are made to, where that is not left to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Height and width.
    pub size: Option<(usize, usize)>,
    /// 1 for grey, 3 for colours.
    pub channels: Option<usize>,
    /// How they become images.
    pub preprocessing: Preprocessing,
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

    /// Reads the pictures on all threads, each made to one shape as [`Picture::image`] does it.
    ///
    /// The shape follows the whole pictures where `wanted` leaves it open, see `Survey::shape`. `done` counts the pictures
    /// read so far; [`Error::Interrupted`] soon after `stop` is set.
    pub fn read(&self, wanted: Wanted, done: &AtomicUsize, stop: &AtomicBool) -> Result<Pictures> {
        if let (Some((height, width)), Some(channels)) = (wanted.size, wanted.channels) {
            let shape = ImageShape::from((height, width, channels));
            return self.read_as(shape, wanted.preprocessing, done, stop);
        }
        let mut survey = Survey::of(&self.files, wanted, stop)?;
        let (mut shape, _) = survey.shape(wanted);
        loop {
            done.store(0, Ordering::Relaxed);
            let mut pictures = self.read_as(shape, wanted.preprocessing, done, stop)?;
            // A header may promise what the rest of the file doesn't hold.
            let broken: HashSet<&PathBuf> = pictures.broken.iter().map(|(path, _)| path).collect();
            survey.leave_out(|place| broken.contains(&self.files[place].0));
            let (settled, rule) = survey.shape(wanted);
            // Which pictures are broken doesn't depend on the shape: the second reading is the last.
            if settled == shape {
                pictures.shape_rule = Some(rule);
                return Ok(pictures);
            }
            shape = settled;
        }
    }

    fn read_as(
        &self,
        shape: ImageShape,
        preprocessing: Preprocessing,
        done: &AtomicUsize,
        stop: &AtomicBool,
    ) -> Result<Pictures> {
        picture::check_channels(shape)?;
        let bytes = self.files.len().saturating_mul(shape.len());
        if bytes > MAX_BYTES {
            return Err(Error::Data(format!(
                "{} pictures of {shape} would take {bytes} bytes, more than the {MAX_BYTES} allowed; take fewer or smaller ones",
                self.files.len()
            )));
        }
        let mut pixels = vec![0; bytes];
        let read: Vec<std::result::Result<usize, String>> = pixels
            .par_chunks_exact_mut(shape.len())
            .zip(&self.files)
            .map(|(image, (path, _))| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let picture = picture::file_bytes(path).and_then(|bytes| Picture::decode(&bytes));
                let frames = match picture {
                    Ok(picture) => {
                        image.copy_from_slice(&picture.image(shape, preprocessing)?);
                        Ok(picture.frames)
                    }
                    Err(reason) => Err(reason),
                };
                done.fetch_add(1, Ordering::Relaxed);
                Ok(frames)
            })
            .collect::<Result<_>>()?;
        let mut targets = Vec::with_capacity(self.files.len());
        let (mut broken, mut animated) = (Vec::new(), Vec::new());
        for (place, (frames, (path, class))) in read.into_iter().zip(&self.files).enumerate() {
            match frames {
                Err(reason) => {
                    broken.push((path.clone(), reason));
                    continue;
                }
                Ok(frames) if frames > 1 => animated.push((path.clone(), frames)),
                Ok(_) => {}
            }
            let (from, to) = (place * shape.len(), targets.len() * shape.len());
            pixels.copy_within(from..from + shape.len(), to);
            targets.push(*class as i64);
        }
        pixels.truncate(targets.len() * shape.len());
        Ok(Pictures {
            shape,
            shape_rule: None,
            pixels,
            targets,
            broken,
            animated,
        })
    }
}

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

/// The pictures in a folder and in those below it, sorted, and how many files of other kinds there are, by extension.
pub fn pictures_below(path: &Path) -> Result<(Vec<PathBuf>, BTreeMap<String, usize>)> {
    let (mut pictures, mut passed_over) = (Vec::new(), BTreeMap::new());
    find(path, 0, &mut pictures, &mut passed_over)?;
    Ok((pictures, passed_over))
}

/// Checks that the sub-folders of `path` can be the classes of a data set.
fn check_classes(path: &Path, names: &[String]) -> Result<()> {
    if let [name] = names {
        check_height(path, name)?;
        return Err(fault(
            path,
            &format!(
                "one class is no classification, and {name:?} is the only sub-folder; add a folder for each other class, or, \
                 for pictures of one class of several, pass class_names with the names of all"
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
fn check_height(path: &Path, name: &str) -> Result<()> {
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
        if !words.any(|word| PARTS.contains(&word))
            || class_names_of(&part).is_err()
            || holds_pictures(&part)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn holds_pictures(path: &Path) -> Result<bool> {
    let entries = entries(path)?;
    Ok(entries
        .iter()
        .any(|entry| !entry.is_dir() && has_known_extension(entry)))
}

/// What is in a directory and was put there by its user, sorted.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
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

fn find(
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

fn has_known_extension(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|found| {
            EXTENSIONS
                .iter()
                .any(|known| found.eq_ignore_ascii_case(known))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_counts_its_pictures_and_stops_when_it_is_told_to() {
        let root = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            fs::create_dir(root.path().join(class)).unwrap();
            fs::write(root.path().join(class).join("x.png"), b"").unwrap();
        }
        let folder = Folder::open(root.path(), None).unwrap();
        let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let found = folder.read(Wanted::default(), &done, &stop).unwrap();
        assert_eq!((found.targets.len(), found.broken.len()), (0, 2));
        assert_eq!(done.load(Ordering::Relaxed), 2);
        stop.store(true, Ordering::Relaxed);
        let stopped = folder.read(Wanted::default(), &done, &stop);
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}

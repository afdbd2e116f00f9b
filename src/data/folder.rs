//! A folder of pictures, one sub-folder for each class.

use super::idx::fault;
use crate::config::ImageShape;
use crate::error::{Error, Result};
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use rayon::prelude::*;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Extensions of the pictures that are read; what a picture is, its first bytes tell.
pub const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "bmp", "webp"];
/// Largest accepted width and height of a picture.
const MAX_SIDE: u32 = 1 << 14;
/// Largest accepted number of pixels of a picture.
const MAX_PIXELS: u64 = 1 << 26;
/// Pictures that are this many times as high and as wide as the image or more are first averaged to half of that.
const SHRINK: u32 = 8;
/// Memory that decoding a picture may take: a small file can claim any size.
const MAX_DECODED_BYTES: u64 = 512 << 20;
/// A picture's file is at most this large.
const MAX_FILE_BYTES: u64 = 256 << 20;
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
}

/// The pictures of a folder.
pub struct Pictures {
    /// Raw pixels of the whole ones, image by image.
    pub pixels: Vec<u8>,
    /// The class of each.
    pub targets: Vec<i64>,
    /// Pictures that could not be read, and why.
    pub broken: Vec<(PathBuf, String)>,
}

impl Folder {
    /// Finds the pictures below `path`, whose sub-folders are the classes: those of `class_names`, or all, sorted; as numbers
    /// where all names are numbers.
    ///
    /// Hidden files and files with other extensions are passed over.
    pub fn open(path: &Path, class_names: Option<Vec<String>>) -> Result<Self> {
        let found = class_names_of(path)?;
        let class_names = match class_names {
            None => found,
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
        for (class, name) in class_names.iter().enumerate() {
            let directory = path.join(name);
            if directory.is_dir() {
                let mut pictures = Vec::new();
                find(&directory, 0, &mut pictures)?;
                files.extend(pictures.into_iter().map(|file| (file, class)));
            }
        }
        if files.is_empty() {
            return Err(fault(
                path,
                &format!(
                    "the sub-folders of {class_names:?} must hold pictures ({}), and there is none",
                    EXTENSIONS.join(", ")
                ),
            ));
        }
        Ok(Self { class_names, files })
    }

    /// Reads the pictures on all threads, as grey images for one channel and as colours for three, resized to `shape` with a
    /// triangle filter (bilinear, and a mean over the pixels that fall together where an image gets smaller) without regard to
    /// their proportions; pictures of eight times the size and more are first averaged to four times the size.
    ///
    /// Grey is 0.2126 red + 0.7152 green + 0.0722 blue (Rec. 709); transparency is dropped; a picture is turned as its EXIF
    /// orientation says. `done` counts the pictures read so far; [`Error::Interrupted`] soon after `stop` is set.
    pub fn read(
        &self,
        shape: ImageShape,
        done: &AtomicUsize,
        stop: &AtomicBool,
    ) -> Result<Pictures> {
        check_channels(shape)?;
        let bytes = self.files.len().saturating_mul(shape.len());
        if bytes > MAX_BYTES {
            return Err(Error::Data(format!(
                "{} pictures of {shape} would take {bytes} bytes, more than the {MAX_BYTES} allowed; take fewer or smaller ones",
                self.files.len()
            )));
        }
        let mut pixels = vec![0; bytes];
        let faults: Vec<Option<String>> = pixels
            .par_chunks_exact_mut(shape.len())
            .zip(&self.files)
            .map(|(image, (path, _))| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let fault = decode(path, shape, image).err();
                done.fetch_add(1, Ordering::Relaxed);
                Ok(fault)
            })
            .collect::<Result<_>>()?;
        let mut targets = Vec::with_capacity(self.files.len());
        let mut broken = Vec::new();
        for (place, (fault, (path, class))) in faults.into_iter().zip(&self.files).enumerate() {
            if let Some(fault) = fault {
                broken.push((path.clone(), fault));
                continue;
            }
            let (from, to) = (place * shape.len(), targets.len() * shape.len());
            pixels.copy_within(from..from + shape.len(), to);
            targets.push(*class as i64);
        }
        pixels.truncate(targets.len() * shape.len());
        Ok(Pictures {
            pixels,
            targets,
            broken,
        })
    }
}

/// The names of the sub-folders of `path`, in the order of the classes.
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

/// What is in a directory and not hidden, sorted.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || Error::io("could not read", path);
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable())? {
        let entry = entry.map_err(unreadable())?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn find(directory: &Path, depth: usize, pictures: &mut Vec<PathBuf>) -> Result<()> {
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
            find(&path, depth + 1, pictures)?;
        } else if path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|found| {
                EXTENSIONS
                    .iter()
                    .any(|known| found.eq_ignore_ascii_case(known))
            })
        {
            pictures.push(path);
        }
    }
    Ok(())
}

/// The raw pixels of a picture, made to `shape` as [`Folder::read`] does.
pub fn read_picture(path: &Path, shape: ImageShape) -> Result<Vec<u8>> {
    check_channels(shape)?;
    let mut image = vec![0; shape.len()];
    match decode(path, shape, &mut image) {
        Ok(()) => Ok(image),
        // A file that can't be read at all is the system's to tell of.
        Err(reason) => match fs::metadata(path) {
            Err(error) => Err(Error::io("could not read", path)(error)),
            Ok(_) => Err(fault(
                path,
                &format!("it is no picture that can be read: {reason}"),
            )),
        },
    }
}

fn check_channels(shape: ImageShape) -> Result<()> {
    if matches!(shape.channels, 1 | 3) {
        return Ok(());
    }
    Err(Error::Data(format!(
        "pictures have 1 channel (grey) or 3 (colour), got {}",
        shape.channels
    )))
}

/// Reads a picture into `image`; the error is the sentence that says why it can't be read.
fn decode(path: &Path, shape: ImageShape, image: &mut [u8]) -> std::result::Result<(), String> {
    let metadata = fs::metadata(path).map_err(|error| error.to_string())?;
    // Before it is opened: opening a pipe waits for somebody to write to it.
    if !metadata.is_file() {
        return Err("it is no regular file".into());
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(format!("it has more than {MAX_FILE_BYTES} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(format!(
            "it has {width} x {height} pixels, more than the limit of {MAX_PIXELS}"
        ));
    }
    let orientation = decoder.orientation().map_err(|error| error.to_string())?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    picture.apply_orientation(orientation);
    let picture = if shape.channels == 1 {
        DynamicImage::ImageLuma8(picture.into_luma8())
    } else {
        DynamicImage::ImageRgb8(picture.into_rgb8())
    };
    let (width, height) = (shape.width as u32, shape.height as u32);
    // The triangle filter takes longer than decoding where many pixels fall together.
    let picture = if picture.width() >= SHRINK * width && picture.height() >= SHRINK * height {
        picture.thumbnail_exact(SHRINK / 2 * width, SHRINK / 2 * height)
    } else {
        picture
    };
    let picture = if (picture.width(), picture.height()) == (width, height) {
        picture
    } else {
        picture.resize_exact(width, height, FilterType::Triangle)
    };
    image.copy_from_slice(picture.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_counts_its_pictures_and_stops_when_it_is_told_to() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a")).unwrap();
        for name in ["x.png", "y.png", "z.png"] {
            fs::write(root.path().join("a").join(name), b"").unwrap();
        }
        let folder = Folder::open(root.path(), None).unwrap();
        let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let found = folder.read(ImageShape::MNIST, &done, &stop).unwrap();
        assert_eq!((found.targets.len(), found.broken.len()), (0, 3));
        assert_eq!(done.load(Ordering::Relaxed), 3);
        stop.store(true, Ordering::Relaxed);
        let stopped = folder.read(ImageShape::MNIST, &done, &stop);
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}

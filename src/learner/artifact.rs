use super::checkpoint::{Progress, is_checkpoint_file};
use crate::error::{Error, Result};
use crate::record::file;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

/// The configuration of the run.
pub const CONFIG_FILE: &str = "config.json";
/// The model after the last epoch, as Burn's `CompactRecorder` writes it.
pub const MODEL_FILE: &str = "model.mpk";
/// The checkpoints, a directory each.
pub const CHECKPOINT_DIRECTORY: &str = "checkpoint";
/// Every step and epoch.
pub const HISTORY_FILE: &str = "history.json";
/// The table of metrics.
pub const SUMMARY_FILE: &str = "summary.txt";
/// The names of the classes, a JSON list; only where the training images have such.
pub const CLASS_NAMES_FILE: &str = "class_names.json";
/// What the run was trained and validated on.
pub const DATA_FILE: &str = "data.json";
/// What happened when.
pub const LOG_FILE: &str = "train.log";
/// Which files of the directory are ours.
const MANIFEST_FILE: &str = "manifest.json";
/// Held while a run is on.
const LOCK_FILE: &str = ".mnistburn-lock";

/// What is known of the model in its file, beside it.
const MODEL_COMPANION: &str = "model.mpk.meta.json";

const FILES: [&str; 8] = [
    CONFIG_FILE,
    MODEL_FILE,
    MODEL_COMPANION,
    HISTORY_FILE,
    SUMMARY_FILE,
    CLASS_NAMES_FILE,
    DATA_FILE,
    LOG_FILE,
];

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// The version that wrote it.
    mnistburn: String,
    /// Files and directories that this program may replace or remove.
    files: Vec<String>,
}

/// The directory of a run, locked against other runs.
pub(super) struct ArtifactDirectory {
    path: PathBuf,
    lock: File,
}

impl ArtifactDirectory {
    /// The directory for a new run: made if need be, and cleared of an older run's files, and of nothing else.
    pub fn create(path: &Path) -> Result<Self> {
        check_path(path)?;
        fs::create_dir_all(path)
            .map_err(Error::io("could not create the artifact directory", path))?;
        // A directory that is not a run's is only looked at, and left exactly as it is. One that is may be another's at this
        // moment, and then there is nothing to look at.
        let known = path.join(MANIFEST_FILE).exists();
        let locked = known.then(|| Self::locked(path)).transpose()?;
        let ours = Ours::of(path)?;
        let directory = locked.map_or_else(|| Self::locked(path), Ok)?;
        let manifest = Manifest {
            mnistburn: env!("CARGO_PKG_VERSION").into(),
            files: FILES
                .iter()
                .chain(&[CHECKPOINT_DIRECTORY])
                .map(ToString::to_string)
                .collect(),
        };
        for entry in ours.entries {
            remove(&entry)?;
        }
        file::write(
            &directory.file(MANIFEST_FILE),
            format!("{:#}\n", serde_json::json!(manifest)).as_bytes(),
        )?;
        Ok(directory)
    }

    /// The directory of a run to go on with.
    pub fn open(path: &Path) -> Result<Self> {
        check_path(path)?;
        if !path.join(MANIFEST_FILE).is_file() || !path.join(CONFIG_FILE).is_file() {
            return Err(Error::Artifact(format!(
                "there must be a run to resume in {}, found none; start one without resume",
                path.display()
            )));
        }
        let directory = Self::locked(path)?;
        directory.sweep()?;
        Ok(directory)
    }

    /// Removes what a killed run was writing.
    fn sweep(&self) -> Result<()> {
        let checkpoints = self.file(CHECKPOINT_DIRECTORY);
        for folder in [&self.path, &checkpoints]
            .into_iter()
            .filter(|folder| folder.is_dir())
        {
            for entry in file::list(folder)?
                .iter()
                .filter(|entry| file::is_temporary(&file::name(entry)))
            {
                if is_directory(entry) {
                    fs::remove_dir_all(entry)
                } else {
                    fs::remove_file(entry)
                }
                .map_err(Error::io("could not remove", entry))?;
            }
        }
        Ok(())
    }

    fn locked(path: &Path) -> Result<Self> {
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(Error::io("could not write to the artifact directory", path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Artifact(format!(
                    "an artifact directory holds one run at a time, and one is training in {}; use another directory or wait",
                    path.display()
                )));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::io("could not lock", &lock_path)(error));
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            lock,
        })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        file::write(&self.file(name), bytes)
    }
}

impl Drop for ArtifactDirectory {
    /// Without this a process that was forked meanwhile would hold the lock as long as it lives.
    fn drop(&mut self) {
        // Closing the file, which follows, unlocks it as well where nobody was forked.
        let _ = self.lock.unlock();
    }
}

fn check_path(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Err(Error::Artifact(
            "artifact_dir must name a directory, got an empty path".into(),
        ));
    }
    if path.exists() && !path.is_dir() {
        return Err(Error::Artifact(format!(
            "artifact_dir must be a directory, and {} is a file; choose another path",
            path.display()
        )));
    }
    Ok(())
}

/// What an older run left in a directory.
struct Ours {
    entries: Vec<PathBuf>,
}

impl Ours {
    /// Refuses a directory that holds anything else, naming it.
    fn of(path: &Path) -> Result<Self> {
        let manifest = read_manifest(path)?;
        let mut entries = Vec::new();
        for entry in file::list(path)? {
            let name = file::name(&entry);
            if name == LOCK_FILE {
                continue;
            }
            let temporary = file::is_temporary(&name);
            let known = manifest
                .as_ref()
                .is_some_and(|manifest| name == MANIFEST_FILE || manifest.files.contains(&name));
            let is_directory = is_directory(&entry);
            match (known, is_directory) {
                (true, true) if name == CHECKPOINT_DIRECTORY => {
                    entries.extend(checkpoint_entries(path, &entry)?);
                }
                (true, false) => entries.push(entry),
                _ if temporary && !is_directory => entries.push(entry),
                _ => return Err(stranger(path, &entry)),
            }
        }
        // Deepest first, and the manifest last: while there is something of ours, it says so.
        entries.sort_by_key(|entry| {
            (
                file::name(entry) == MANIFEST_FILE,
                std::cmp::Reverse(entry.components().count()),
            )
        });
        Ok(Self { entries })
    }
}

/// The files and directories in a checkpoint directory and itself, or the stranger among them.
fn checkpoint_entries(root: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = vec![directory.to_path_buf()];
    for checkpoint in file::list(directory)? {
        let name = file::name(&checkpoint);
        let ours = Progress::from_directory_name(&name).is_some() || file::is_temporary(&name);
        if !ours || !is_directory(&checkpoint) {
            return Err(stranger(root, &checkpoint));
        }
        for entry in file::list(&checkpoint)? {
            let name = file::name(&entry);
            let ours = is_checkpoint_file(&name) || file::is_temporary(&name);
            if !ours
                || !entry
                    .symlink_metadata()
                    .is_ok_and(|metadata| metadata.is_file())
            {
                return Err(stranger(root, &entry));
            }
            entries.push(entry);
        }
        entries.push(checkpoint);
    }
    Ok(entries)
}

fn stranger(root: &Path, entry: &Path) -> Error {
    let name = entry.strip_prefix(root).unwrap_or(entry);
    Error::Artifact(format!(
        "a new run needs an empty directory or one with nothing but an older run, and {} holds {:?}, which mnistburn did \
         not write; choose another directory or move it away",
        root.display(),
        name.display().to_string()
    ))
}

fn read_manifest(path: &Path) -> Result<Option<Manifest>> {
    let path = path.join(MANIFEST_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(serde_json::from_str::<Manifest>(&text)
            .ok()
            .map(|mut manifest| {
                // Only names that this program has ever written count, whatever the file says.
                manifest
                    .files
                    .retain(|name| FILES.contains(&name.as_str()) || name == CHECKPOINT_DIRECTORY);
                manifest
            })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("could not read", &path)(error)),
    }
}

/// Whether a path is a directory itself, and not a link to one.
fn is_directory(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

fn remove(path: &Path) -> Result<()> {
    if is_directory(path) {
        fs::remove_dir(path)
    } else {
        fs::remove_file(path)
    }
    .map_err(Error::io("could not remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        ArtifactDirectory::create(path)
            .err()
            .expect("it must be refused")
            .to_string()
    }

    fn older_run(path: &Path) {
        drop(ArtifactDirectory::create(path).unwrap());
        fs::write(path.join(CONFIG_FILE), "{}").unwrap();
        fs::create_dir_all(path.join("checkpoint/epoch-0001")).unwrap();
        fs::write(path.join("checkpoint/epoch-0001/model.mpk"), "x").unwrap();
        fs::write(path.join(".mnistburn-1-0.tmp"), "x").unwrap();
    }

    #[test]
    fn an_older_run_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        older_run(directory.path());
        drop(ArtifactDirectory::create(directory.path()).unwrap());
        let names: Vec<String> = file::list(directory.path())
            .unwrap()
            .iter()
            .map(|path| file::name(path))
            .collect();
        assert_eq!(names, [LOCK_FILE, MANIFEST_FILE]);
    }

    #[test]
    fn a_strangers_file_is_named_and_everything_kept() {
        for stranger in [
            "notes.txt",
            "checkpoint/notes.txt",
            "checkpoint/epoch-0001/notes.txt",
            "checkpoint/epoch-0001/model.safetensors",
            "checkpoint/epoch-0001-backup/x",
            "train/x",
        ] {
            let directory = tempfile::tempdir().unwrap();
            older_run(directory.path());
            let path = directory.path().join(stranger);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "mine").unwrap();
            let message = refused(directory.path());
            let named = stranger
                .split_once("/x")
                .map_or(stranger, |(folder, _)| folder);
            assert!(message.contains(&format!("{named:?}")), "{message}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
            assert!(
                directory
                    .path()
                    .join("checkpoint/epoch-0001/model.mpk")
                    .exists()
            );
        }
    }

    #[test]
    fn a_config_without_a_manifest_is_a_strangers() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(CONFIG_FILE), "{}").unwrap();
        assert!(refused(directory.path()).contains("config.json"));
        assert_eq!(
            file::list(directory.path()).unwrap().len(),
            1,
            "not even a lock file is left there"
        );
    }

    #[test]
    fn a_manifest_can_not_claim_other_files() {
        let directory = tempfile::tempdir().unwrap();
        older_run(directory.path());
        let text = r#"{"mnistburn": "0", "files": ["notes.txt", "../x"]}"#;
        fs::write(directory.path().join(MANIFEST_FILE), text).unwrap();
        fs::write(directory.path().join("notes.txt"), "mine").unwrap();
        refused(directory.path());
        assert!(directory.path().join("notes.txt").exists());
    }

    #[test]
    fn what_a_killed_run_was_writing_is_swept() {
        let directory = tempfile::tempdir().unwrap();
        older_run(directory.path());
        let unfinished = directory.path().join("checkpoint/.mnistburn-7-0-0.tmp");
        fs::create_dir(&unfinished).unwrap();
        fs::write(unfinished.join("model.mpk"), "x").unwrap();
        drop(ArtifactDirectory::open(directory.path()).unwrap());
        assert!(!unfinished.exists());
        assert!(!directory.path().join(".mnistburn-1-0.tmp").exists());
        assert!(
            directory
                .path()
                .join("checkpoint/epoch-0001/model.mpk")
                .exists()
        );
    }

    #[test]
    fn a_directory_holds_one_run_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = ArtifactDirectory::create(directory.path()).unwrap();
        assert!(refused(directory.path()).contains("one run at a time"));
        drop(first);
        assert!(ArtifactDirectory::create(directory.path()).is_ok());
    }
}

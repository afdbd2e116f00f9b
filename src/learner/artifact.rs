use super::lock::Lock;
use super::manifest::{CHECKPOINT_DIRECTORY, FILES, MANIFEST_FILE, Manifest};
use super::{older, switch};
use crate::error::{Error, Result};
use crate::record::file;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a reader waits for a run that is taking the place of an older one, which takes milliseconds.
const LONGEST_SWITCH: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// Where the files of a run are. Changes when a new run takes the place of an older one.
#[derive(Clone)]
pub(super) struct Place(Arc<Mutex<PathBuf>>);

impl Place {
    fn new(path: &Path) -> Self {
        Self(Arc::new(Mutex::new(path.to_path_buf())))
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join(name)
    }

    fn move_to(&self, path: &Path) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = path.to_path_buf();
    }
}

/// The directory of a run, locked against other runs.
///
/// A new run in the directory of an older one is written to a hidden directory inside, until [`Self::publish`].
pub(super) struct ArtifactDirectory {
    root: PathBuf,
    staging: Option<PathBuf>,
    place: Place,
    lock: Lock,
}

impl ArtifactDirectory {
    /// The directory for a new run, made if need be. An older run stays until the new one is published, and a stranger's
    /// file is refused; without `overwrite` an older run is too.
    pub fn create(path: &Path, overwrite: bool) -> Result<Self> {
        check_path(path)?;
        file::repeated(|| fs::create_dir_all(path))
            .map_err(Error::io("could not create the artifact directory", path))?;
        // A directory that is not a run's is only looked at, and left exactly as it is. One that is may be another's at this
        // moment, and then there is nothing to look at.
        let known = path.join(MANIFEST_FILE).exists() || switch::is_pending(path);
        let locked = known.then(|| lock(path)).transpose()?;
        if known {
            switch::complete(path)?;
        }
        if !overwrite && older::holds_run(path) {
            return Err(Error::Artifact(format!(
                "without overwrite a new run needs a directory without a run, and {} holds one; choose another directory, continue \
                 that run with resume, or replace it with overwrite",
                path.display()
            )));
        }
        older::check(path)?;
        let lock = locked.map_or_else(|| lock(path), Ok)?;
        older::sweep(path)?;
        let staging = if path.join(MANIFEST_FILE).exists() {
            let staging = file::temporary_beside(&path.join(MANIFEST_FILE));
            file::repeated(|| fs::create_dir(&staging))
                .map_err(Error::io("could not create", &staging))?;
            Some(staging)
        } else {
            None
        };
        let directory = Self {
            root: path.to_path_buf(),
            place: Place::new(staging.as_deref().unwrap_or(path)),
            staging,
            lock,
        };
        let manifest = Manifest {
            mnistburn: env!("CARGO_PKG_VERSION").into(),
            files: FILES
                .iter()
                .chain(&[CHECKPOINT_DIRECTORY])
                .map(ToString::to_string)
                .collect(),
            run: Some(file::unique()),
        };
        manifest.write(&directory.file(""))?;
        Ok(directory)
    }

    /// The directory of a run to go on with.
    pub fn open(path: &Path) -> Result<Self> {
        check_path(path)?;
        settle(path)?;
        if !older::holds_run(path) {
            return Err(Error::Artifact(format!(
                "there must be a run to resume in {}, found none; start one without resume",
                path.display()
            )));
        }
        let lock = lock(path)?;
        older::sweep(path)?;
        Ok(Self {
            root: path.to_path_buf(),
            staging: None,
            place: Place::new(path),
            lock,
        })
    }

    /// Lets a new run, which can be gone on with by now, take the place of an older one.
    pub fn publish(&mut self) -> Result<()> {
        let Some(staging) = &self.staging else {
            return Ok(());
        };
        switch::decide(staging, &self.root)?;
        self.staging = None;
        switch::complete(&self.root)?;
        self.place.move_to(&self.root);
        Ok(())
    }

    /// Says in the manifest of a resumed run which files this version writes.
    pub fn claim(&self) -> Result<()> {
        older::claim(&self.file(""))
    }

    /// The directory with an older run that is as it was; nothing once this run has taken its place.
    pub fn older_run(&self) -> Option<&Path> {
        self.staging.as_ref().map(|_| self.root.as_path())
    }

    /// What to tell about the directory's file system.
    pub fn notices(&self) -> Vec<String> {
        let sync = file::sync_directory(&self.root).err().map(|error| {
            format!(
                "the file system of {} can't sync a directory ({error}): after a power cut its newest files may be missing",
                self.root.display()
            )
        });
        self.lock.notice.clone().into_iter().chain(sync).collect()
    }

    /// Where the files of the run are.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.place.file(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        file::write(&self.file(name), bytes)
    }
}

impl Drop for ArtifactDirectory {
    /// A run that ends before its first checkpoint leaves nothing beside the older run.
    fn drop(&mut self) {
        if let Some(staging) = &self.staging {
            // What can't be removed is swept by the next run.
            let _ = fs::remove_dir_all(staging);
        }
    }
}

/// Sees to it that a directory holds one run: where a process was killed while its run took the place of an older one, the
/// rest of that is done.
pub fn settle(path: &Path) -> Result<()> {
    let start = Instant::now();
    while switch::is_pending(path) {
        if let Some(_lock) = Lock::take(path)? {
            switch::complete(path)?;
        } else if start.elapsed() > LONGEST_SWITCH {
            return Err(one_at_a_time(path));
        } else {
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<Lock> {
    Lock::take(path)?.ok_or_else(|| one_at_a_time(path))
}

fn one_at_a_time(path: &Path) -> Error {
    Error::Artifact(format!(
        "an artifact directory holds one run at a time, and one is training in {}; use another directory or wait",
        path.display()
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::lock::LOCK_FILE;
    use crate::learner::manifest::{CONFIG_FILE, MODEL_FILE};

    fn refused(path: &Path) -> String {
        ArtifactDirectory::create(path, true)
            .err()
            .expect("it must be refused")
            .to_string()
    }

    fn older_run(path: &Path) {
        let mut directory = ArtifactDirectory::create(path, true).unwrap();
        directory.publish().unwrap();
        drop(directory);
        fs::write(path.join(CONFIG_FILE), "{}").unwrap();
        fs::create_dir_all(path.join("checkpoint/epoch-0001")).unwrap();
        fs::write(path.join("checkpoint/epoch-0001/model.mpk"), "x").unwrap();
        fs::write(path.join(".mnistburn-1-0.tmp"), "x").unwrap();
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = file::list(path).unwrap();
        entries.iter().map(|path| file::name(path)).collect()
    }

    /// Every file of the older run, and what it holds.
    fn run_files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        [
            CONFIG_FILE,
            MANIFEST_FILE,
            "checkpoint/epoch-0001/model.mpk",
        ]
        .iter()
        .map(|name| (path.join(name), fs::read(path.join(name)).unwrap()))
        .collect()
    }

    #[test]
    fn a_new_run_leaves_the_older_one_until_it_is_published() {
        let directory = tempfile::tempdir().unwrap();
        older_run(directory.path());
        let before = run_files(directory.path());
        let new = ArtifactDirectory::create(directory.path(), true).unwrap();
        new.write(CONFIG_FILE, b"new").unwrap();
        assert_eq!(run_files(directory.path()), before);
        drop(new);
        assert_eq!(run_files(directory.path()), before);
        assert_eq!(
            names(directory.path()),
            [LOCK_FILE, CHECKPOINT_DIRECTORY, CONFIG_FILE, MANIFEST_FILE]
        );
    }

    /// A new run that is whole, with one checkpoint of two files.
    fn whole_run(path: &Path) -> ArtifactDirectory {
        let new = ArtifactDirectory::create(path, true).unwrap();
        new.write(CONFIG_FILE, b"new").unwrap();
        let checkpoint = new.file("checkpoint/epoch-0001");
        fs::create_dir_all(&checkpoint).unwrap();
        fs::write(checkpoint.join("model.mpk"), "new").unwrap();
        fs::write(checkpoint.join("state.json"), "new").unwrap();
        new
    }

    fn is_new(path: &Path) {
        assert_eq!(fs::read(path.join(CONFIG_FILE)).unwrap(), b"new");
        assert!(!path.join(MODEL_FILE).exists(), "the older run's model");
        let checkpoint = path.join("checkpoint/epoch-0001");
        assert_eq!(fs::read(checkpoint.join("model.mpk")).unwrap(), b"new");
        assert_eq!(fs::read(checkpoint.join("state.json")).unwrap(), b"new");
        assert!(!path.join("checkpoint/epoch-0002").exists());
        assert!(!switch::is_pending(path));
    }

    #[test]
    fn a_published_run_takes_the_place_of_the_older_one() {
        let directory = tempfile::tempdir().unwrap();
        older_run(directory.path());
        fs::write(directory.path().join(MODEL_FILE), "old").unwrap();
        fs::create_dir(directory.path().join("checkpoint/epoch-0002")).unwrap();
        let mut new = whole_run(directory.path());
        new.publish().unwrap();
        assert_eq!(new.file(CONFIG_FILE), directory.path().join(CONFIG_FILE));
        is_new(directory.path());
    }

    #[test]
    fn a_switch_that_broke_off_anywhere_is_completed_by_the_next_who_looks() {
        // The states on disk after each of its operations, as a killed process leaves them.
        for done in 0..=8 {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path();
            older_run(root);
            fs::write(root.join(MODEL_FILE), "old").unwrap();
            fs::create_dir(root.join("checkpoint/epoch-0002")).unwrap();
            let mut new = whole_run(root);
            switch::decide(new.staging.as_ref().unwrap(), root).unwrap();
            new.staging = None;
            let (first, second) = (
                root.join(".mnistburn-new-run.1"),
                root.join(".mnistburn-new-run.2"),
            );
            let up = |name: &str| fs::rename(second.join(name), root.join(name)).unwrap();
            let operations: [&dyn Fn(); 8] = [
                &|| fs::remove_file(root.join(MODEL_FILE)).unwrap(),
                &|| fs::remove_dir(root.join("checkpoint/epoch-0002")).unwrap(),
                &|| older::remove(root).unwrap(),
                &|| fs::rename(&first, &second).unwrap(),
                &|| up(CHECKPOINT_DIRECTORY),
                &|| up(CONFIG_FILE),
                &|| up(MANIFEST_FILE),
                &|| fs::remove_dir(&second).unwrap(),
            ];
            operations
                .iter()
                .take(done)
                .for_each(|operation| operation());
            drop(new);
            settle(root).unwrap();
            is_new(root);
            drop(ArtifactDirectory::open(root).unwrap());
        }
    }

    #[test]
    fn what_a_file_manager_dropped_blocks_nothing_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        older_run(directory.path());
        let dropped = [
            ".DS_Store",
            "checkpoint/Thumbs.db",
            "checkpoint/epoch-0001/._model.mpk",
            ".ipynb_checkpoints/x",
        ];
        for name in dropped {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "dropped").unwrap();
        }
        whole_run(directory.path()).publish().unwrap();
        is_new(directory.path());
        for name in dropped {
            assert!(directory.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn without_overwrite_a_run_is_refused_and_left() {
        let directory = tempfile::tempdir().unwrap();
        drop(ArtifactDirectory::create(directory.path(), false).unwrap());
        older_run(directory.path());
        let before = run_files(directory.path());
        let error = ArtifactDirectory::create(directory.path(), false)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("with resume") && error.contains("with overwrite"));
        assert_eq!(run_files(directory.path()), before);
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
        let first = ArtifactDirectory::create(directory.path(), true).unwrap();
        assert!(refused(directory.path()).contains("one run at a time"));
        drop(first);
        assert!(ArtifactDirectory::create(directory.path(), true).is_ok());
    }
}

//! The corpus of the fuzz targets, without fuzzing.

#[path = "../../fuzz/src/parsers.rs"]
mod parsers;

use parsers::{PARSERS, parse};
use std::fs;
use std::path::Path;

#[test]
fn no_input_of_the_corpus_panics_and_its_files_are_read() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut folders: Vec<String> = Vec::new();
    for folder in fs::read_dir(&corpus).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let mut files = 0;
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            let read = parse(&name, &fs::read(&path).unwrap());
            // What fuzzing has found has a hash for its name, and may be refused.
            if path.extension().is_some() {
                read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                files += 1;
            }
        }
        assert!(files > 0, "{name} has a file that is read");
        folders.push(name);
    }
    folders.sort();
    let mut names = PARSERS.map(|(name, _)| name);
    names.sort_unstable();
    assert_eq!(folders, names);
}

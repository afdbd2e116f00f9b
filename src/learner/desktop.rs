//! What file managers, editors and network file systems leave in a folder that they merely look at.

/// Whether a file or a folder of this name is such: it is let be, and in nobody's way.
pub(super) fn is_dropped(name: &str) -> bool {
    const NAMES: [&str; 15] = [
        ".ds_store",
        ".localized",
        ".appledouble",
        ".spotlight-v100",
        ".trashes",
        ".fseventsd",
        "icon\r",
        "thumbs.db",
        "thumbs.db:encryptable",
        "ehthumbs.db",
        "desktop.ini",
        ".directory",
        ".ipynb_checkpoints",
        "@eadir",
        ".hidden",
    ];
    let lower = name.to_lowercase();
    let between = |start: &str, end: &str| {
        lower.len() > start.len() + end.len() && lower.starts_with(start) && lower.ends_with(end)
    };
    // `.model.mpk.swp` of vi counts down from there: `.swo`, `.swn`.
    let swap = || {
        lower.starts_with('.')
            && lower
                .rsplit_once('.')
                .is_some_and(|(stem, end)| !stem.is_empty() && is_swap(end))
    };
    NAMES.contains(&lower.as_str())
        || between("._", "")
        || between(".#", "")
        || between("#", "#")
        || between("", "~")
        || between("~$", "")
        || between(".~lock.", "#")
        || between(".nfs", "")
        || between(".fuse_hidden", "")
        || swap()
}

fn is_swap(end: &str) -> bool {
    let bytes = end.as_bytes();
    bytes.len() == 3 && bytes.starts_with(b"sw") && bytes[2].is_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_told_from_what_is_someones() {
        for name in [
            ".DS_Store",
            "._model.mpk",
            "Thumbs.db",
            "thumbs.db",
            "desktop.ini",
            "Desktop.ini",
            ".ipynb_checkpoints",
            ".config.json.swp",
            ".config.json.swo",
            "config.json~",
            ".#config.json",
            "#config.json#",
            "Icon\r",
            ".directory",
            ".nfs000000000012",
        ] {
            assert!(is_dropped(name), "{name}");
        }
        for name in [
            "notes.txt",
            ".notes",
            "model.mpk",
            "runs",
            "~",
            "icon.png",
            "Icon",
            ".swp",
            "swap.swp",
            "._",
            "",
        ] {
            assert!(!is_dropped(name), "{name}");
        }
    }
}

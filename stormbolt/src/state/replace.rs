//! Files that are there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

/// What has just been done, for tests that end the process there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The new file is there and empty.
    Created,
    /// Half of the text is in it.
    HalfWritten,
    /// All of the text is in it.
    Written,
    /// The text is on the disk.
    Synced,
    /// The new file has the name of the old one.
    Renamed,
    /// The name is on the disk.
    NameSynced,
    /// A file that is no longer needed is gone.
    Removed,
}

/// Told of every step; does nothing but in tests.
pub(crate) type Steps = fn(Step);

/// Nobody looks.
pub(crate) const UNWATCHED: Steps = |_| ();

/// Puts a file with `bytes` in the place of `path`, with the mode and the owner that the old one has.
///
/// At any moment there is the old file or the new one under that name, also when the machine loses its power: the
/// new one gets the name only when its bytes are on the disk. A symbolic link stays one; the file that it leads to is replaced.
///
/// # Errors
///
/// The kernel refuses; then it is the old file, but for the last step: the new one may lose its name again in a
/// loss of power.
pub(crate) fn replace(path: &Path, bytes: &[u8], steps: Steps) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = folder_of(&path);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new = folder.join(name);
    // What a process that was killed has left there counts for nothing.
    remove_if_there(&new)?;
    let done = write(&new, &path, bytes, steps).and_then(|()| fs::rename(&new, &path));
    if let Err(error) = done {
        remove_if_there(&new).unwrap_or(());
        return Err(error);
    }
    steps(Step::Renamed);
    sync_folder(folder)?;
    steps(Step::NameSynced);
    Ok(())
}

/// Puts the names in a folder on the disk.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn write(new: &Path, old: &Path, bytes: &[u8], steps: Steps) -> io::Result<()> {
    // Policies say who may reach what.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(new)?;
    if let Ok(old) = fs::metadata(old) {
        // Who may read it is the operator's business; another owner than ours is not always ours to give.
        fchown(&file, Some(old.uid()), Some(old.gid())).unwrap_or(());
        file.set_permissions(old.permissions())?;
    }
    steps(Step::Created);
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    steps(Step::HalfWritten);
    file.write_all(rest)?;
    steps(Step::Written);
    file.sync_all()?;
    steps(Step::Synced);
    Ok(())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_mode_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        replace(&path, b"one", UNWATCHED).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        fs::write(
            folder.path().join(".a.toml.new"),
            "left by a killed process",
        )
        .unwrap();
        replace(&path, b"other", UNWATCHED).unwrap();
        assert_eq!(mode(), 0o640);
        assert_eq!(fs::read_to_string(&path).unwrap(), "other");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        replace(&link, b"new", UNWATCHED).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}

//! Zip archives that are the same for the same files: whoever deploys twice uploads once.

use std::fs;
use std::io::{self, Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{DateTime, ZipWriter};

/// Packs a folder's files, in the order of their names.
///
/// # Errors
/// What the file system says.
pub(super) fn of_folder(folder: &Path) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add_folder(&mut zip, folder, "")?;
    Ok(zip.finish()?.into_inner())
}

/// Packs one file under a name.
///
/// # Errors
/// What the file system says.
pub(super) fn of_file(file: &Path, name: &str) -> io::Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add_file(&mut zip, file, name)?;
    Ok(zip.finish()?.into_inner())
}

fn add_folder(zip: &mut ZipWriter<Cursor<Vec<u8>>>, folder: &Path, prefix: &str) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| io::Error::other(format!("{} is no text", name.display())))?;
        let (path, name) = (entry.path(), format!("{prefix}{name}"));
        // A link is packed as what it leads to, as `sam` does.
        if fs::metadata(&path)?.is_dir() {
            add_folder(zip, &path, &format!("{name}/"))?;
        } else {
            add_file(zip, &path, &name)?;
        }
    }
    Ok(())
}

fn add_file(zip: &mut ZipWriter<Cursor<Vec<u8>>>, file: &Path, name: &str) -> io::Result<()> {
    let executable = fs::metadata(file)?.permissions().mode() & 0o111 != 0;
    let options = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .unix_permissions(if executable { 0o755 } else { 0o644 });
    zip.start_file(name, options)?;
    zip.write_all(&fs::read(file)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_make_the_same_archive() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (folder, names) in [(&a, ["one", "two"]), (&b, ["two", "one"])] {
            fs::create_dir(folder.path().join("in")).unwrap();
            names.iter().for_each(|name| fs::write(folder.path().join("in").join(name), name).unwrap());
        }
        fs::set_permissions(a.path().join("in/one"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(b.path().join("in/one"), fs::Permissions::from_mode(0o755)).unwrap();
        let archive = of_folder(a.path()).unwrap();
        assert_eq!(archive, of_folder(b.path()).unwrap());
        let mut read = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
        let entries: Vec<_> = (0..read.len())
            .map(|n| {
                let entry = read.by_index(n).unwrap();
                (entry.name().unwrap().into_owned(), entry.unix_mode().unwrap() & 0o777)
            })
            .collect();
        assert_eq!(entries, [("in/one".to_owned(), 0o755), ("in/two".to_owned(), 0o644)]);
    }
}

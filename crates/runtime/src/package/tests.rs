//! Archives, good and bad.

use std::io::{Cursor, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use bytes::Bytes;
use proptest::prelude::*;
use ropeway_core::functions::NotRun;
use zip::write::SimpleFileOptions;

use super::unpack::{MAX_UNPACKED, inspect, unpack};

enum Entry<'a> {
    File(&'a str, u32, &'a [u8]),
    Link(&'a str, &'a str),
}
use Entry::{File, Link};

fn archive(entries: &[Entry<'_>]) -> Bytes {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for entry in entries {
        match entry {
            File(name, mode, contents) => {
                zip.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
                zip.write_all(contents).unwrap();
            }
            Link(name, target) => zip.add_symlink(*name, *target, SimpleFileOptions::default()).unwrap(),
        }
    }
    Bytes::from(zip.finish().unwrap().into_inner())
}

fn why(refused: Result<(), NotRun>) -> String {
    match refused {
        Err(NotRun::BadPackage(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_keep_their_executable_bits_and_links_their_targets() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("tree");
    let archives = [
        archive(&[File("bin/run", 0o700, b"one"), File("a/data", 0o600, b"two"), Link("bin/also", "run")]),
        archive(&[File("a/data", 0o644, b"three"), File("bin/also", 0o644, b"four")]),
    ];
    archives.iter().for_each(|archive| inspect(archive.clone()).unwrap());
    assert_eq!(unpack(&archives, &into).unwrap(), None);
    let mode = |path: &str| into.join(path).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bin/run"), mode("a/data")), (0o755, 0o644));
    let read = |path: &str| std::fs::read_to_string(into.join(path)).unwrap();
    assert_eq!((read("a/data"), read("bin/also")), ("three".to_owned(), "four".to_owned()));
    let alone = directory.path().join("alone");
    unpack(&archives[..1], &alone).unwrap();
    assert_eq!(std::fs::read_link(alone.join("bin/also")).unwrap().to_str(), Some("run"));
}

#[test]
fn nothing_leads_outside() {
    for name in ["../x", "a/../../x", "/etc/x", "a\\..\\x"] {
        let refused = why(inspect(archive(&[File(name, 0o644, b"")])));
        assert!(refused.ends_with("leads outside of it"), "{name}: {refused}");
    }
    for (name, target) in [("x", "/etc/passwd"), ("x", "../y"), ("a/b", "../../y"), ("x", "")] {
        let refused = why(inspect(archive(&[Link(name, target)])));
        assert!(refused.contains("leads outside of it"), "{name} to {target}: {refused}");
    }
    inspect(archive(&[Link("a/b/c", "../../d")])).unwrap();
}

#[test]
fn nothing_is_written_through_a_link() {
    let directory = tempfile::tempdir().unwrap();
    let into = directory.path().join("tree");
    let odd = [archive(&[Link("a", "b"), File("a/x", 0o644, b"x")])];
    let refused = why(unpack(&odd, &into).map(drop));
    assert_eq!(refused, "a is a link and a directory");
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; 1 << 20];
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("zeros", SimpleFileOptions::default()).unwrap();
    for _ in 0..=(MAX_UNPACKED >> 20) {
        zip.write_all(&zeros).unwrap();
    }
    let bomb = Bytes::from(zip.finish().unwrap().into_inner());
    assert!(bomb.len() < 1 << 20);
    let refused = why(inspect(bomb));
    assert_eq!(refused, "Unzipped size must be smaller than 262144000 bytes");
}

proptest! {
    #[test]
    fn no_archive_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..500), at in 0_usize..200) {
        // Random bytes, and an archive with random bytes within.
        drop(inspect(Bytes::from(bytes.clone())));
        let mut whole = archive(&[File("a/b", 0o755, b"some contents"), Link("c", "a/b")]).to_vec();
        for (to, from) in whole.iter_mut().skip(at).zip(&bytes) {
            *to = *from;
        }
        drop(inspect(Bytes::from(whole)));
    }
}

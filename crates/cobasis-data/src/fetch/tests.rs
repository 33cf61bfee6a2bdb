//! Fetching from a server on this machine.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use tempfile::{TempDir, tempdir};

use super::server::Reply::{Break, Send, SendAll, SendUntold, Status};
use super::server::{Reply, Server};
use super::*;

/// Size of an image with its label.
const RECORD: usize = 3073;
const TRAIN: &str = "cifar-10-batches-bin/data_batch_1.bin";
const TEST: &str = "cifar-10-batches-bin/test_batch.bin";

/// A `tar.gz` archive of entries with a kind, a name, the name of a link, and content.
fn pack(entries: &[(EntryType, &str, &str, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (kind, name, link, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // The library's own functions refuse names that lead elsewhere.
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_slice()).expect("in memory");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("in memory")
}

fn file(name: &str, bytes: usize) -> (EntryType, &str, &str, Vec<u8>) {
    (EntryType::Regular, name, "", (0..bytes).map(|i| (i % 7) as u8).collect())
}

/// The data set in the form in which it is published.
fn good() -> Vec<u8> {
    let names = (EntryType::Regular, "cifar-10-batches-bin/batches.meta.txt", "", b"a\n".to_vec());
    let folder = (EntryType::Directory, "cifar-10-batches-bin/", "", Vec::new());
    let readme = file("cifar-10-batches-bin/readme.html", 88);
    pack(&[folder, names, file(TRAIN, 2 * RECORD), readme, file(TEST, RECORD)])
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A place to download to, and a server of an archive with the SHA-256 that is expected of it.
struct Fetch {
    dir: TempDir,
    server: Server,
    archive: Archive,
}

impl Fetch {
    fn new(content: Vec<u8>, replies: &'static [Reply]) -> Self {
        let (sha256, bytes) = (digest(&content), Some(content.len() as u64));
        let server = Server::start(content, replies);
        let layout = &cifar::SMALL;
        let archive = Archive { url: server.url.clone(), sha256, bytes, layout };
        Self { dir: tempdir().expect("a folder"), server, archive }
    }

    fn part(&self) -> PathBuf {
        self.dir.path().join("cifar-10-batches-bin.tar.gz.part")
    }

    fn run(&self) -> Result<Vec<Progress>, FetchError> {
        let mut told = Vec::new();
        let dir = self.dir.path();
        self.archive.fetch_with(dir, Duration::ZERO, &mut |progress| told.push(progress))?;
        Ok(told)
    }

    /// The one line that a failure is told with; nothing but a part may be left.
    fn refused(&self) -> String {
        let error = self.run().expect_err("must be refused").to_string();
        let left = fs::read_dir(self.dir.path()).expect("a folder").flatten();
        let left: Vec<_> = left.map(|entry| entry.path()).collect();
        assert!(left.iter().all(|path| *path == self.part()), "{left:?}");
        assert!(!error.contains('\n'), "{error}");
        let error = error.replace(&self.server.url, "URL");
        error.replace(&self.dir.path().display().to_string(), "DIR")
    }

    /// The data set is there, and nothing else.
    fn assert_complete(&self) {
        let left = fs::read_dir(self.dir.path()).expect("a folder").flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["cifar-10-batches-bin"]);
        let set = cifar::SMALL.load(Some(self.dir.path()), crate::Split::Train);
        assert_eq!(set.expect("the set").len(), 2);
        assert!(self.archive.is_in(self.dir.path()));
        assert!(!self.dir.path().join("cifar-10-batches-bin/readme.html").exists());
    }
}

#[test]
fn an_archive_is_downloaded_checked_and_unpacked_once() {
    let fetch = Fetch::new(good(), &[Send]);
    let told = fetch.run().expect("fetched");
    fetch.assert_complete();
    let all = fetch.archive.bytes;
    let done = Progress::Downloading { done: all.expect("known"), total: all };
    assert!(told.contains(&done) && told.ends_with(&[Progress::Checking, Progress::Unpacking]));
    assert_eq!(fetch.run().expect("nothing to do"), []);
    assert_eq!(fetch.server.ranges(), [""]);
}

#[test]
fn an_archive_that_is_there_is_unpacked() {
    let fetch = Fetch::new(good(), &[]);
    let (path, elsewhere) = (fetch.part(), tempdir().expect("a folder"));
    fs::write(&path, good()).expect("written");
    fetch.archive.unpack(&path, elsewhere.path()).expect("unpacked");
    assert!(fetch.archive.is_in(elsewhere.path()) && path.is_file());
    let gone = elsewhere.path().join("none.tar.gz");
    let refused = fetch.archive.unpack(&gone, elsewhere.path()).expect_err("not there");
    assert!(refused.to_string().contains("none.tar.gz: cannot open the file"), "{refused}");
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let fetch = Fetch::new(good(), &[Break(100), Break(50), Status("503 Busy"), Send]);
    fetch.run().expect("fetched");
    fetch.assert_complete();
    assert_eq!(fetch.server.ranges(), ["", "100-", "150-", "150-"]);
}

#[test]
fn what_an_earlier_program_left_is_gone_on_with() {
    let fetch = Fetch::new(good(), &[Send]);
    fs::write(fetch.part(), &good()[..99]).expect("written");
    fetch.run().expect("fetched");
    fetch.assert_complete();
    assert_eq!(fetch.server.ranges(), ["99-"]);
    // All of it, but neither checked nor unpacked.
    let whole = Fetch::new(good(), &[Send]);
    fs::write(whole.part(), good()).expect("written");
    whole.run().expect("fetched");
    whole.assert_complete();
    assert!(whole.server.ranges().is_empty());
}

#[test]
fn a_beginning_of_something_else_is_thrown_away() {
    let fetch = Fetch::new(good(), &[Send]);
    fs::write(fetch.part(), [7; 99]).expect("written");
    fetch.run().expect("fetched");
    fetch.assert_complete();
    assert_eq!(fetch.server.ranges(), ["99-", ""]);
    // More than the whole: no server can go on from there.
    let long = Fetch::new(good(), &[Send]);
    fs::write(long.part(), vec![7; 99_999]).expect("written");
    long.run().expect("fetched");
    long.assert_complete();
    assert_eq!(long.server.ranges(), ["99999-", ""]);
}

#[test]
fn servers_that_cannot_resume_or_count_will_do() {
    let fetch = Fetch::new(good(), &[Break(100), SendAll]);
    fetch.run().expect("fetched");
    fetch.assert_complete();
    let untold = Fetch::new(good(), &[SendUntold]);
    untold.run().expect("fetched");
    untold.assert_complete();
}

#[test]
fn another_archive_is_refused_and_removed() {
    let mut fetch = Fetch::new(good(), &[Send]);
    fetch.archive.sha256 = "0".repeat(64);
    let said = fetch.refused();
    assert!(said.starts_with("URL: expected SHA-256 0000"), "{said}");
    assert!(said.contains(&digest(&good())) && !fetch.part().exists(), "{said}");
}

#[test]
fn a_refusal_of_the_server_is_told_at_once() {
    for status in ["404 Not Found", "403 Forbidden", "401 Unauthorized"] {
        let replies: &'static [Reply] = match status {
            "404 Not Found" => &[Status("404 Not Found")],
            "403 Forbidden" => &[Status("403 Forbidden")],
            _ => &[Status("401 Unauthorized")],
        };
        let fetch = Fetch::new(good(), replies);
        assert_eq!(fetch.refused(), format!("URL: the server answered {status}"));
        assert_eq!(fetch.server.ranges().len(), 1);
    }
}

#[test]
fn a_server_that_gives_nothing_is_given_up_and_what_is_there_kept() {
    let fetch = Fetch::new(good(), &[Break(100), Break(0)]);
    let said = fetch.refused();
    assert!(said.starts_with("URL: interrupted after 0 MB of 0 MB: "), "{said}");
    assert_eq!(fs::read(fetch.part()).expect("a part"), good()[..100]);
    assert_eq!(fetch.server.ranges().len(), 4);
}

#[test]
fn nobody_there_and_no_address_are_told() {
    let mut fetch = Fetch::new(good(), &[Send]);
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    fetch.archive.url = format!("http://{}/", free.expect("a port"));
    assert!(fetch.refused().contains("interrupted after 0 MB"), "{}", fetch.refused());
    fetch.archive.url = "no address".to_string();
    assert!(fetch.refused().starts_with("no address: "), "{}", fetch.refused());
}

#[test]
fn more_than_the_archive_is_not_taken() {
    let mut fetch = Fetch::new(good(), &[SendUntold]);
    fetch.archive.bytes = Some(60);
    assert_eq!(fetch.refused(), "URL: expected at most 60 bytes, got more");
}

#[test]
fn two_programs_do_not_write_one_file() {
    let fetch = Fetch::new(good(), &[Send]);
    let other = File::create(fetch.part()).expect("a file");
    other.lock().expect("a lock");
    assert!(fetch.refused().ends_with(".part: another download is in progress"));
    drop(other);
    fetch.run().expect("fetched");
    fetch.assert_complete();
}

#[test]
fn a_folder_with_gaps_is_completed() {
    let fetch = Fetch::new(good(), &[Send]);
    let folder = fetch.dir.path().join("cifar-10-batches-bin");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("test_batch.bin"), b"half").expect("written");
    fetch.run().expect("fetched");
    fetch.assert_complete();
}

#[test]
fn hostile_archives_are_refused_and_leave_nothing() {
    let link = |kind, target| (kind, TRAIN, target, Vec::new());
    let long = || file(TRAIN, 2 * RECORD + 1);
    let cases = [
        (vec![file("../evil", 3)], "../evil leads out of the archive"),
        (vec![file("cifar-10-batches-bin/../../evil", 3)], "leads out of the archive"),
        (vec![file("/tmp/cobasis-evil", 3)], "/tmp/cobasis-evil leads out of the archive"),
        (vec![link(EntryType::Symlink, "/etc/passwd")], "neither file nor folder but Symlink"),
        (vec![link(EntryType::Link, "/etc/passwd")], "neither file nor folder but Link"),
        (vec![link(EntryType::Fifo, "")], "neither file nor folder but Fifo"),
        (vec![long()], "data_batch_1.bin: expected 6146 bytes, got 6147"),
        (vec![file(TRAIN, 2 * RECORD); 2], "has data_batch_1.bin twice"),
        (vec![file(TRAIN, 2 * RECORD)], "/test_batch.bin, which is not there"),
        (vec![], "/data_batch_1.bin, which is not there"),
        // Zeros pack well: a bomb of files that are not wanted, and one of a long name.
        (vec![(EntryType::Regular, "zeros", "", vec![0; 40 << 20])], "a damaged archive"),
        (vec![(EntryType::GNULongName, "name", "", vec![b'a'; 40 << 20])], "a damaged archive"),
    ];
    for (entries, problem) in cases {
        let fetch = Fetch::new(pack(&entries), &[Send]);
        let said = fetch.refused();
        assert!(said.starts_with("DIR/cifar-10-batches-bin.tar.gz.part: "), "{said}");
        assert!(said.contains(problem), "{problem}: {said}");
    }
    assert!(!PathBuf::from("/tmp/cobasis-evil").exists());
}

#[test]
fn damaged_archives_are_refused() {
    let whole = good();
    for (content, problem) in [
        (b"<html>not found</html>".to_vec(), "a damaged archive"),
        (whole[..whole.len() / 2].to_vec(), "a damaged archive"),
        (Vec::from(&whole[..20]), "a damaged archive"),
    ] {
        let said = Fetch::new(content, &[Send]).refused();
        assert!(said.contains(problem), "{said}");
    }
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&[7; 4096]).expect("in memory");
    let noise = packer.finish().expect("in memory");
    assert!(Fetch::new(noise, &[Send]).refused().contains("a damaged archive"));
}

use super::*;

const MODEL: &str = "cifar10/resnet32-s16u1";

fn numbered(parent: &Path) -> String {
    let run = RunDir::create_numbered(parent, MODEL).unwrap();
    assert!(run.is_dir());
    run.strip_prefix(parent).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn numbers_go_up_and_gaps_stay() {
    let dir = tempfile::tempdir().unwrap();
    let parent = dir.path().join("runs");
    assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-001");
    assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-002");
    fs::remove_dir(parent.join("cifar10-resnet32-s16u1-001")).unwrap();
    fs::create_dir(parent.join("cifar10-resnet32-s16u1-double-007")).unwrap();
    fs::create_dir(parent.join("cifar10-resnet32-s16u1-20260101")).unwrap();
    assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-003");
    fs::write(parent.join("cifar10-resnet32-s16u1-999"), "").unwrap();
    assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-1000");
}

#[test]
fn runs_started_at_once_get_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut names: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| numbered(dir.path()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
}

fn refused(out: &Path) -> String {
    let err = RunDir::open(Some(out), MODEL).unwrap_err();
    assert!(err.is_user_error());
    assert!(err.to_string().starts_with(out.to_str().unwrap()), "{err}");
    assert!(!err.to_string().contains('\n'), "{err}");
    err.to_string()
}

#[test]
fn out_is_made_or_taken_when_empty_or_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("a/b");
    for _ in 0..2 {
        let run = RunDir::open(Some(&out), MODEL).unwrap();
        assert_eq!((run.path(), run.config().unwrap()), (out.as_path(), None));
    }
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("notes.txt"), "kept").unwrap();
    assert!(refused(&other).contains("holds no run to resume"));
    assert!(refused(&other.join("notes.txt")).contains("got a file"));
    let err = RunDir::open(Some(&other.join("notes.txt/below")), MODEL).unwrap_err();
    assert!(!err.is_user_error() && err.to_string().contains("cannot create"), "{err}");

    RunDir::open(Some(&out), MODEL).unwrap().write_config("seed = 1\n").unwrap();
    let run = RunDir::open(Some(&out), MODEL).unwrap();
    assert_eq!(run.config().unwrap().as_deref(), Some("seed = 1\n"));
}

#[test]
fn what_a_killed_write_has_left_goes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(".config.toml.7-0.tmp"), "se").unwrap();
    fs::create_dir(dir.path().join(".epoch-0001-step-000000.tmp")).unwrap();
    let run = RunDir::open(Some(dir.path()), MODEL).unwrap();
    let left: Vec<_> = fs::read_dir(run.path()).unwrap().flatten().collect();
    assert!(left.len() == 1 && left[0].file_name() == LOCK, "{left:?}");
}

#[cfg(unix)]
#[test]
fn nothing_is_written_to_a_directory_that_became_anothers() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let first = RunDir::open(Some(&out), MODEL).unwrap();
    first.write_config("seed = 1\n").unwrap();
    fs::remove_dir_all(&out).unwrap();
    let fill = |_: &Path| -> Result<(), RunDirError> { unreachable!("the directory is gone") };
    for _ in 0..2 {
        let said = [
            first.write_config("seed = 1\n"),
            first.write_json("summary.json", &1),
            first.checkpoints().write(1, 0, None, fill),
        ];
        for said in said {
            assert!(matches!(said, Err(RunDirError::Gone { .. })), "{said:?}");
        }
        assert!(!out.join(CONFIG).exists() && !out.join("checkpoints").exists());
        // The same again beside a new run.
        RunDir::open(Some(&out), MODEL).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn two_processes_do_not_train_in_one_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = RunDir::open(Some(dir.path()), MODEL).unwrap();
    assert!(refused(dir.path()).ends_with("another process is training in this directory"));
    drop(first);
    RunDir::open(Some(dir.path()), MODEL).unwrap();
}

#[test]
fn a_models_name_cannot_leave_the_parent() {
    assert_eq!(file_name("../up\\a b\n"), "..-up-a-b-");
}

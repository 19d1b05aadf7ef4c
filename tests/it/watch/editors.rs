//! How files are saved, moved and swapped.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::Instant;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_closed_must_be_taken_at_once() {
    let mut watching = Watching::by_events_alone().await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    watching.write("a.yaml", "two");
    watching.until(&["a.yaml: two"]).await;
    fs::remove_file(watching.path("a.yaml")).unwrap();
    watching.until(&[]).await;
    assert_eq!(watching.parsed("a.yaml"), ["one", "two"]);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_file_must_be_in_the_snapshot_within_fifty_milliseconds() {
    let mut watching = Watching::by_events_alone().await;
    let mut times = Vec::new();
    for at in 0..21 {
        let content = format!("version {at}");
        watching.write("a.yaml", &content);
        let saved = Instant::now();
        watching.until(&[&format!("a.yaml: {content}")]).await;
        times.push(saved.elapsed());
    }
    times.sort();
    // The quickest quarter: what the machine does besides is not ours.
    assert!(times[5] < Duration::from_millis(50), "{times:?}");
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_editor_that_writes_beside_and_renames_must_change_one_file_once() {
    let mut watching = Watching::by_events_alone().await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    // As vim saves: a probe, a backup by rename, the new file, the backup removed.
    watching.write("4913", "");
    fs::remove_file(watching.path("4913")).unwrap();
    watching.write(".a.yaml.swp", "swap");
    fs::rename(watching.path("a.yaml"), watching.path("a.yaml~")).unwrap();
    watching.write("a.yaml", "two");
    fs::remove_file(watching.path("a.yaml~")).unwrap();
    watching.until(&["a.yaml: two"]).await;
    // As sed -i does, and as rsync does.
    for (temporary, content) in [("sedX1Y2Z3", "three"), (".a.yaml.Ab12Cd", "four")] {
        watching.write(temporary, content);
        fs::rename(watching.path(temporary), watching.path("a.yaml")).unwrap();
        watching.until(&[&format!("a.yaml: {content}")]).await;
    }
    assert_eq!(watching.parsed("a.yaml"), ["one", "two", "three", "four"]);
    assert_eq!(watching.parsed.lock().unwrap().len(), 4, "nothing else was read");
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_branch_must_be_taken_file_by_file() {
    let mut watching = Watching::by_events_alone().await;
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        watching.write(name, "one");
    }
    watching.until(&["a.yaml: one", "b.yaml: one", "c.yaml: one"]).await;
    // As git does: unlink and create what differs, leave alone what does not.
    fs::remove_file(watching.path("a.yaml")).unwrap();
    watching.write("a.yaml", "two");
    fs::remove_file(watching.path("b.yaml")).unwrap();
    watching.until(&["a.yaml: two", "c.yaml: one"]).await;
    assert_eq!(watching.parsed("c.yaml"), ["one"]);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_file_must_keep_its_content() {
    let mut watching = Watching::by_events_alone().await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    fs::rename(watching.path("a.yaml"), watching.path("b.yml")).unwrap();
    watching.until(&["b.yml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_data_link_must_change_each_changed_file_once() {
    let version = |root: &Path, name: &str, files: &[(&str, &str)]| {
        fs::create_dir(root.join(name)).unwrap();
        for (file, content) in files {
            fs::write(root.join(name).join(file), content).unwrap();
        }
        symlink(name, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    let prepare = |root: &Path| {
        version(root, "..v1", &[("a.yaml", "a1"), ("b.yaml", "b1")]);
        symlink("..data/a.yaml", root.join("a.yaml")).unwrap();
        symlink("..data/b.yaml", root.join("b.yaml")).unwrap();
    };
    // A rescan would take seconds: the swap itself has to be seen.
    let mut watching = Watching::start(prepare, |options| options.rescan = NEVER);
    watching.until(&["a.yaml: a1", "b.yaml: b1"]).await;
    version(&watching.root, "..v2", &[("a.yaml", "a2"), ("b.yaml", "b1")]);
    fs::remove_dir_all(watching.path("..v1")).unwrap();
    watching.until(&["a.yaml: a2", "b.yaml: b1"]).await;
    assert_eq!(watching.parsed("a.yaml"), ["a1", "a2"]);
    assert_eq!(watching.parsed("b.yaml"), ["b1"]);
    watching.end().await;
}

/// Writes the first half, keeps the file open for longer than two seconds, writes the rest.
fn write_slowly(path: &Path, halves: [&str; 2]) {
    let mut file = fs::File::create(path).unwrap();
    file.write_all(halves[0].as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(2300));
    file.write_all(halves[1].as_bytes()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_file_must_never_be_taken() {
    let mut watching = Watching::start(|_| {}, |_| {});
    watching.until(&[]).await;
    watching.write("old.yaml", "one");
    watching.until(&["old.yaml: one"]).await;
    let paths = ["old.yaml", "new.yaml"].map(|name| watching.path(name));
    let writers = paths.map(|path| {
        tokio::task::spawn_blocking(move || write_slowly(&path, ["image: ngi", "nx:1.27"]))
    });
    watching.until(&["new.yaml ...", "old.yaml: one"]).await;
    watching.until(&["new.yaml: image: nginx:1.27", "old.yaml: image: nginx:1.27"]).await;
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(watching.parsed("old.yaml"), ["one", "image: nginx:1.27"]);
    assert_eq!(watching.parsed("new.yaml").last().unwrap(), "image: nginx:1.27");
    assert!(!watching.parsed("new.yaml").contains(&"image: ngi".to_owned()));
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_must_not_be_taken_before_it_is_written() {
    let mut watching = Watching::start(|_| {}, |_| {});
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    let path = watching.path("a.yaml");
    let writer = tokio::task::spawn_blocking(move || write_slowly(&path, ["", "two"]));
    watching.until(&["a.yaml: two"]).await;
    writer.await.unwrap();
    assert_eq!(watching.parsed("a.yaml"), ["one", "two"]);
    watching.end().await;
}

/// A watch that waits for a writer for long enough, and believes what it finds soon.
fn impatient(options: &mut Options) {
    options.rescan = Duration::from_millis(20);
    options.settle = Duration::from_millis(20);
    options.write_timeout = Duration::from_millis(300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_rests_must_be_told_of_and_its_file_be_read_once_it_is_closed() {
    let mut watching = Watching::start(|_| {}, impatient);
    watching.until(&[]).await;
    watching.write("old.yaml", "good");
    watching.until(&["old.yaml: good"]).await;
    let mut files = ["new.yaml", "old.yaml"].map(|name| {
        let mut file = fs::File::create(watching.path(name)).unwrap();
        file.write_all(b"hal").unwrap();
        file
    });
    watching.until(&["new.yaml ...", "old.yaml: good"]).await;
    let unclosed = "! it is not done being written";
    let (new, old) = (format!("new.yaml {unclosed}"), format!("old.yaml {unclosed}"));
    watching.until(&[&new, &old]).await;
    // Whatever is written besides, and however long it takes.
    watching.write("other.yaml", "one");
    watching.until(&[&new, &old, "other.yaml: one"]).await;
    watching.listed_again(5).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    watching.until(&[&new, &old, "other.yaml: one"]).await;
    for file in &mut files {
        file.write_all(b"f and half").unwrap();
    }
    drop(files);
    let whole = "half and half";
    watching
        .until(&[&format!("new.yaml: {whole}"), &format!("old.yaml: {whole}"), "other.yaml: one"])
        .await;
    assert_eq!(watching.parsed("old.yaml"), ["good", whole]);
    assert_eq!(watching.parsed("new.yaml"), [whole]);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_must_count_as_one_that_closed_its_file() {
    let mut watching = Watching::start(|_| {}, |options| options.write_timeout = NEVER);
    watching.until(&[]).await;
    let path = watching.path("a.yaml");
    let mut writer = std::process::Command::new("sh")
        .args(["-c", "exec 3>\"$0\"; printf whole >&3; exec sleep 3600"])
        .arg(&path)
        .spawn()
        .unwrap();
    watching.until(&["a.yaml ..."]).await;
    watching.listed_again(2).await;
    watching.until(&["a.yaml ..."]).await;
    writer.kill().unwrap();
    writer.wait().unwrap();
    watching.until(&["a.yaml: whole"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_place_of_one_that_is_not_done_must_be_read() {
    let mut watching = Watching::start(|_| {}, impatient);
    watching.until(&[]).await;
    fs::create_dir(watching.path("x")).unwrap();
    watching.write("x/b.yaml", "old");
    watching.until(&["x/b.yaml: old"]).await;
    let files = ["a.yaml", "x/b.yaml"].map(|name| {
        let mut file = fs::File::create(watching.path(name)).unwrap();
        file.write_all(b"hal").unwrap();
        file
    });
    let unclosed = "! it is not done being written";
    watching.until(&[&format!("a.yaml {unclosed}"), &format!("x/b.yaml {unclosed}")]).await;
    // One is renamed over, the other goes with its directory.
    let aside = watching.home.path().join("aside");
    fs::write(&aside, "one").unwrap();
    fs::rename(&aside, watching.path("a.yaml")).unwrap();
    fs::rename(watching.path("x"), &aside).unwrap();
    fs::create_dir(watching.path("x")).unwrap();
    watching.write("x/b.yaml", "new");
    watching.until(&["a.yaml: one", "x/b.yaml: new"]).await;
    drop(files);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_never_rests_must_be_told_of_and_its_file_be_read_in_the_end() {
    let mut watching = Watching::start(
        |_| {},
        |options| {
            options.settle = NEVER;
            options.write_timeout = Duration::from_millis(200);
        },
    );
    watching.until(&[]).await;
    watching.write("a.yaml", "good");
    watching.until(&["a.yaml: good"]).await;
    let mut file = fs::OpenOptions::new().append(true).open(watching.path("a.yaml")).unwrap();
    let enough = CancellationToken::new();
    let told = enough.clone();
    let writer = tokio::task::spawn_blocking(move || {
        while !told.is_cancelled() {
            file.write_all(b".").unwrap();
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    watching.until(&["a.yaml ! it is not done being written"]).await;
    enough.cancel();
    writer.await.unwrap();
    let whole = fs::read_to_string(watching.path("a.yaml")).unwrap();
    watching.until(&[&format!("a.yaml: {whole}")]).await;
    assert_eq!(watching.parsed("a.yaml"), ["good", &whole]);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_a_new_directory_must_be_found() {
    let mut watching = Watching::start(|_| {}, |options| options.rescan = NEVER);
    watching.until(&[]).await;
    fs::create_dir_all(watching.path("x/y/z")).unwrap();
    watching.write("x/y/z/a.yaml", "one");
    watching.until(&["x/y/z/a.yaml: one"]).await;
    // It is watched from now on.
    watching.write("x/y/z/a.yaml", "two");
    watching.until(&["x/y/z/a.yaml: two"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_moved_in_and_out_must_bring_and_take_its_files() {
    let mut watching = Watching::start(|_| {}, |options| options.rescan = NEVER);
    watching.until(&[]).await;
    let outside = watching.home.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.yaml"), "one").unwrap();
    fs::rename(&outside, watching.path("team")).unwrap();
    watching.until(&["team/a.yaml: one"]).await;
    fs::rename(watching.path("team"), watching.path("crew")).unwrap();
    watching.until(&["crew/a.yaml: one"]).await;
    fs::rename(watching.path("crew"), &outside).unwrap();
    watching.until(&[]).await;
    // What happens out there is nothing to us.
    fs::write(outside.join("a.yaml"), "two").unwrap();
    watching.write("b.yaml", "one");
    watching.until(&["b.yaml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_event_everything_must_be_found_all_the_same() {
    let mut watching = Watching::by_rescans_alone().await;
    fs::create_dir(watching.path("x")).unwrap();
    watching.write("x/a.yaml", "one");
    watching.write("b.yaml", "one");
    watching.until(&["b.yaml: one", "x/a.yaml: one"]).await;
    watching.write("b.yaml", "two");
    watching.until(&["b.yaml: two", "x/a.yaml: one"]).await;
    fs::rename(watching.path("b.yaml"), watching.path("c.yaml")).unwrap();
    watching.until(&["c.yaml: two", "x/a.yaml: one"]).await;
    fs::remove_dir_all(watching.path("x")).unwrap();
    watching.until(&["c.yaml: two"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_keeps_size_and_time_must_be_found() {
    let mut watching = Watching::by_rescans_alone().await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    let modified = fs::metadata(watching.path("a.yaml")).unwrap().modified().unwrap();
    watching.write("a.yaml", "two");
    fs::File::open(watching.path("a.yaml")).unwrap().set_modified(modified).unwrap();
    watching.until(&["a.yaml: two"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_files_at_once_must_all_be_found() {
    let mut watching = Watching::start(|_| {}, |_| {});
    watching.until(&[]).await;
    for at in 0..3000 {
        watching.write(&format!("{at:04}.yaml"), "one");
    }
    let wanted: Vec<String> = (0..3000).map(|at| format!("{at:04}.yaml: one")).collect();
    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
    watching.until(&wanted).await;
    watching.end().await;
}

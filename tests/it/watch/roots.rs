//! What may happen to the source directory itself: absent is not empty.

use std::os::unix::fs::symlink;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there_yet_must_be_found_when_it_comes() {
    let mut watching = Watching::start(|root| fs::remove_dir(root).unwrap(), |_| {});
    watching.until_unavailable("not there").await;
    fs::create_dir(&watching.root).unwrap();
    watching.until(&[]).await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_source_must_be_unavailable_and_not_empty() {
    let mut watching = Watching::start(|_| {}, |options| options.rescan = NEVER);
    watching.until(&[]).await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    let aside = watching.home.path().join("aside");
    fs::rename(&watching.root, &aside).unwrap();
    watching.until_unavailable("not there").await;
    // The old tree is nothing to us while it is elsewhere; back again, it is what it is then.
    fs::write(aside.join("a.yaml"), "two").unwrap();
    fs::rename(&aside, &watching.root).unwrap();
    watching.until(&["a.yaml: two"]).await;
    // Another one in its place.
    fs::remove_dir_all(&watching.root).unwrap();
    watching.until_unavailable("not there").await;
    fs::create_dir(&watching.root).unwrap();
    watching.until(&[]).await;
    watching.write("b.yaml", "one");
    watching.until(&["b.yaml: one"]).await;
    watching.write("b.yaml", "two");
    watching.until(&["b.yaml: two"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_a_file_must_be_unavailable() {
    let prepare = |root: &Path| {
        fs::remove_dir(root).unwrap();
        fs::write(root, "no directory").unwrap();
    };
    let mut watching = Watching::start(prepare, |_| {});
    watching.until_unavailable("Not a directory").await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_source_must_be_read_and_watched() {
    let mut watching = Watching::start(|_| {}, |options| options.rescan = NEVER);
    watching.until(&[]).await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    let (old, new) = (watching.home.path().join("old"), watching.home.path().join("new"));
    fs::create_dir(&new).unwrap();
    fs::write(new.join("a.yaml"), "two").unwrap();
    fs::rename(&watching.root, &old).unwrap();
    fs::rename(&new, &watching.root).unwrap();
    watching.until(&["a.yaml: two"]).await;
    fs::write(old.join("a.yaml"), "three").unwrap();
    watching.write("b.yaml", "one");
    watching.until(&["a.yaml: two", "b.yaml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_a_link_must_be_followed_when_it_is_swapped() {
    let prepare = |root: &Path| {
        let home = root.parent().unwrap();
        fs::remove_dir(root).unwrap();
        for version in ["v1", "v2"] {
            fs::create_dir(home.join(version)).unwrap();
            fs::write(home.join(version).join("a.yaml"), version).unwrap();
        }
        symlink("v1", root).unwrap();
    };
    let mut watching = Watching::start(prepare, |options| options.rescan = NEVER);
    watching.until(&["a.yaml: v1"]).await;
    symlink("v2", watching.home.path().join("next")).unwrap();
    fs::rename(watching.home.path().join("next"), &watching.root).unwrap();
    watching.until(&["a.yaml: v2"]).await;
    watching.write("b.yaml", "one");
    watching.until(&["a.yaml: v2", "b.yaml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_on_another_device_must_be_unavailable() {
    let prepare = |root: &Path| {
        fs::rename(root, root.with_file_name("here")).unwrap();
        symlink("here", root).unwrap();
    };
    let mut watching = Watching::start(prepare, |_| {});
    watching.until(&[]).await;
    watching.write("a.yaml", "one");
    watching.until(&["a.yaml: one"]).await;
    let other = TempDir::new_in("/dev/shm").unwrap();
    let swap = |target: &Path| {
        symlink(target, watching.home.path().join("next")).unwrap();
        fs::rename(watching.home.path().join("next"), &watching.root).unwrap();
    };
    swap(other.path());
    let mut snapshots = watching.snapshots.clone();
    let unavailable = snapshots.wait_for(|seen| told(seen)[0].contains("another device"));
    tokio::time::timeout(PATIENCE, unavailable).await.unwrap().unwrap();
    swap(Path::new("here"));
    watching.until(&["a.yaml: one"]).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_must_be_read_by_one_alone_whenever_it_comes_and_whichever_it_is() {
    let home = TempDir::new().unwrap();
    let (kept, old) = (home.path().join("kept"), home.path().join("old"));
    let start = |at: &Path| {
        let lead = |root: &Path| {
            fs::remove_dir(root).unwrap();
            symlink(at, root).unwrap();
        };
        Watching::start(lead, |options| options.lock = true)
    };
    let mut first = start(&kept);
    first.until_unavailable("not there").await;
    fs::create_dir(&kept).unwrap();
    first.until(&[]).await;
    let mut second = start(&kept);
    second.until_unavailable("another evenkeel").await;
    second.end().await;
    // Another directory in its place is locked as well, and the one before no longer is.
    fs::create_dir(home.path().join("new")).unwrap();
    fs::rename(&kept, &old).unwrap();
    fs::rename(home.path().join("new"), &kept).unwrap();
    fs::write(kept.join("a.yaml"), "one").unwrap();
    first.until(&["a.yaml: one"]).await;
    let mut second = start(&kept);
    second.until_unavailable("another evenkeel").await;
    let mut third = start(&old);
    third.until(&[]).await;
    third.end().await;
    first.end().await;
    second.until(&["a.yaml: one"]).await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_is_dropped_must_end() {
    let watching = Watching::start(|_| {}, |_| {});
    watching.running.abort();
    let left = async {
        while Arc::strong_count(&watching.parsed) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, left).await.unwrap();
}

#[test]
fn one_look_takes_files_as_they_are() {
    let home = TempDir::new().unwrap();
    let root = home.path().join("source");
    assert!(look(&root)[0].starts_with("unavailable: "));
    fs::create_dir_all(root.join("x")).unwrap();
    fs::write(root.join("x/a.yaml"), "one").unwrap();
    fs::write(root.join("b.json"), "two").unwrap();
    assert_eq!(look(&root), ["b.json: two", "x/a.yaml: one"]);
}

//! A program run in a container by a person.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::house::{House, service};

/// Runs `exec` with so much on its standard input.
fn exec(house: &House, args: &[&str], input: Vec<u8>) -> Output {
    let mut command = house.command("exec", &[]);
    let pipes = command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that reads less of it ends before it is written.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let ran = child.wait_with_output().unwrap();
    writing.join().unwrap();
    ran
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A house with two instances of `web`.
fn two() -> Option<House> {
    let house = House::open()?;
    house.save("web.yaml", &service("web", "1", "replicas: 2"));
    house.wait_phase("web", "Running");
    Some(house)
}

#[test]
fn what_a_program_writes_and_how_it_ends_is_passed_on() {
    let Some(mut house) = two() else { return };
    let ran = exec(&house, &["web", "--", "sh", "-c", "echo out; echo err >&2; exit 7"], vec![]);
    let said = (ran.status.code(), text(&ran.stdout), text(&ran.stderr));
    assert_eq!(said, (Some(7), "out\n".to_owned(), "err\n".to_owned()));
    let ran = exec(&house, &["web", "--", "sh", "-c", "kill -9 $$"], vec![]);
    assert_eq!(ran.status.code(), Some(137), "{ran:?}");
    let ran = exec(&house, &["web", "--", "no-such-program"], vec![]);
    assert!(matches!(ran.status.code(), Some(126 | 127)), "{ran:?}");
    assert!(text(&ran.stdout).contains("executable file not found"), "{ran:?}");
    // It writes no more, and its end is still to come.
    let closed = "exec >&- 2>&-; sleep 0.5; exit 5";
    let ran = exec(&house, &["web", "--", "sh", "-c", closed], vec![]);
    assert_eq!(ran.status.code(), Some(5), "{ran:?}");
    // The lowest slot is meant, or the one that is named; with a daemon or without.
    let host_of = |slot: usize| house.live("web")[slot].id[..12].to_owned() + "\n";
    let (first, second) = (host_of(0), host_of(1));
    for is_live in [true, false] {
        if !is_live {
            house.kill();
        }
        let of = |args: &[&str]| {
            text(&exec(&house, &[&["web"], args, &["--", "hostname"]].concat(), vec![]).stdout)
        };
        assert_eq!((of(&[]), of(&["--slot", "1"])), (first.clone(), second.clone()), "{is_live}");
        let ran = exec(&house, &["web", "--slot", "7", "--", "true"], vec![]);
        assert_eq!(ran.status.code(), Some(1), "{ran:?}");
        assert!(
            text(&ran.stderr).contains("slot 7 of web does not run; these do: 0, 1"),
            "{ran:?}"
        );
    }
    let ran = exec(&house, &["other", "--", "true"], vec![]);
    assert_eq!(ran.status.code(), Some(4), "{ran:?}");
    assert!(text(&ran.stderr).contains("no container of other runs"), "{ran:?}");
}

#[test]
fn what_is_piped_in_arrives_whole_and_then_its_end() {
    let Some(house) = two() else { return };
    let bytes: Vec<u8> = (0..1_u32 << 18).flat_map(u32::to_be_bytes).collect();
    assert_eq!(bytes.len(), 1 << 20);
    let ran = exec(&house, &["-i", "web", "--", "cat"], bytes.clone());
    assert!(ran.status.success() && ran.stdout == bytes, "{} bytes", ran.stdout.len());
    let ran = exec(&house, &["-i", "web", "--", "head", "-c", "10"], bytes);
    assert!(ran.status.success() && ran.stdout.len() == 10, "{ran:?}");
    // Nothing is passed on that was not asked for.
    let ran = exec(&house, &["web", "--", "cat"], b"no".to_vec());
    assert!(ran.status.success() && ran.stdout.is_empty(), "{ran:?}");
    let ran = exec(&house, &["-it", "web", "--", "cat"], vec![]);
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    assert!(text(&ran.stderr).contains("standard input is no terminal: leave -t out"), "{ran:?}");
}

#[test]
fn what_nobody_waits_for_any_more_does_not_hold_it_up() {
    let Some(house) = two() else { return };
    let mut command = house.command("exec", &[]);
    command.args(["-i", "web", "--", "true"]).stdin(Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    // Nothing is typed, and nothing is closed.
    let _open = child.stdin.take().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let mut child = house.command("exec", &[]).args(["web", "--", "sleep", "60"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    crate::house::signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_terminal_is_one_on_both_sides_and_as_before_afterwards() {
    let Some(house) = two() else { return };
    let exec = house.command("exec", &[]);
    let words = std::iter::once(exec.get_program()).chain(exec.get_args());
    let exec: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    // An engine of API 1.41 is told the size when the program has begun.
    let shell = r#"until stty size 2>/dev/null | grep 101; do sleep 0.1; done; tty; read line; echo "got $line"; exit 9"#;
    let line = format!(
        "stty rows 33 cols 101; before=$(stty -g); {} -it web -- sh -c '{shell}'; code=$?; \
         test \"$before\" = \"$(stty -g)\" && echo as-before; exit $code",
        exec.join(" ")
    );
    let mut script = Command::new("script");
    script.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh");
    let pipes = script.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hello\n").unwrap();
    let ran = child.wait_with_output().unwrap();
    drop(stdin);
    let said = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(9), "{said}");
    for part in ["33 101\r\n", "/dev/pts/", "got hello\r\n", "as-before\r\n"] {
        assert!(said.contains(part), "{part:?} in {said:?}");
    }
}

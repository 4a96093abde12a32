//! Runs command lines within the fuzzer's process.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, process};

use gag::BufferRedirect;

/// Makes an empty folder for this process the current one, and returns its path.
pub fn scratch(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("striate-fuzz-{name}-{}", process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the temporary folder can be written");
    env::set_current_dir(&folder).expect("the folder exists");
    folder
}

/// Runs a command line that must succeed.
pub fn succeed(command: &[&str]) {
    let arguments = [&["striate"], command].concat();
    assert_eq!(striate_cli::run(arguments.into_iter().map(OsString::from)), ExitCode::SUCCESS);
}

/// Runs the command line `command`, without the program's name, and checks all that it prints.
///
/// # Panics
/// If the exit code is not 0 or 2, if stdout or stderr has a control character or bidirectional override, if an error
/// is not one line or leaves something on stdout, or if `--json` does not print one JSON object.
pub fn check(command: Vec<OsString>) {
    let wants_json = command.iter().any(|word| word == "--json");
    let arguments: Vec<OsString> = [OsString::from("striate")].into_iter().chain(command.clone()).collect();
    let [mut stdout, mut stderr] = [BufferRedirect::stdout(), BufferRedirect::stderr()]
        .map(|redirect| redirect.expect("the streams are redirected once at a time"));
    let code = striate_cli::run(arguments);
    let (mut printed, mut reported) = (String::new(), String::new());
    stdout.read_to_string(&mut printed).expect("stdout is UTF-8");
    stderr.read_to_string(&mut reported).expect("stderr is UTF-8");
    drop((stdout, stderr));
    for text in [&printed, &reported] {
        let odd = text.chars().find(|c| (c.is_control() && *c != '\n') || is_override(*c));
        assert!(odd.is_none(), "{command:?} prints {odd:?}: {text:?}");
    }
    let errors = reported.lines().filter(|line| line.starts_with("error: ")).count();
    match code == ExitCode::SUCCESS {
        true if wants_json => {
            let value: serde_json::Value = serde_json::from_str(&printed).expect("stdout is one JSON object");
            assert!(value.is_object(), "{printed}");
        }
        true => {}
        false => {
            assert!(code == ExitCode::from(2), "{command:?} ends with {code:?}: {reported}");
            assert!(errors == 1 && reported.ends_with('\n'), "{command:?}: {reported:?}");
            assert!(printed.is_empty(), "{command:?} fails, but prints {printed:?}");
        }
    }
}

/// Whether `c` changes the direction of the text around it.
fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}')
}

//! What every test begins with.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use ivring_lab::{Artifacts, Guest, Lab, build_witness, tools_or_skip};

/// Many times what anything here takes, on a machine that is busy with other things, too.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The programs under test.
pub struct Programs {
    pub artifacts: Artifacts,
    pub witness: PathBuf,
}

/// Builds them once in this process.
pub fn programs() -> &'static Programs {
    static PROGRAMS: OnceLock<Programs> = OnceLock::new();
    PROGRAMS.get_or_init(|| Programs {
        artifacts: Artifacts::build().expect("the programs compile"),
        witness: build_witness().expect("the witness compiles"),
    })
}

/// A lab for guests that have the agent and the witness; `None`, and a loud word, where there can be no guests.
pub fn lab(test: &str) -> Option<Lab> {
    let tools = tools_or_skip(test)?;
    let Programs { artifacts, witness } = programs();
    Some(Lab::new(test, &tools, &[&artifacts.agent, witness]).expect("a lab can be set up"))
}

/// A lab for processes of the host.
pub fn lab_without_guests(test: &str) -> Lab {
    Lab::without_guests(test).expect("a lab can be set up")
}

/// Looks until there is something to be seen, and returns that. `what` says what did not come.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a script in a guest that must succeed; returns its output.
pub fn output(guest: &mut Guest, script: &str) -> String {
    let answer = guest.run(script, LIMIT).expect("the guest answers");
    assert_eq!(answer.status, 0, "{script}: {}", answer.output);
    answer.output.trim().to_owned()
}

//! How a program waits for messages.

use super::line::Line;
use crate::console::amount::time;
use crate::wait::Profile;

/// Tells what a profile costs: the check `waiting-profile`. `name` is what the program says that it has.
pub fn waiting_profile(name: &str) -> Line {
    const CHECK: &str = "waiting-profile";
    let Ok(profile) = name.parse::<Profile>() else {
        let next = "install the same version of this program and the one that runs";
        return Line::unknown(CHECK, format!("{name} is no profile that this program knows"), next);
    };
    let cap = time(profile.cap());
    Line::ok(
        CHECK,
        match profile {
            Profile::Latency => format!(
                "latency: it spins first, and a message waits {cap} at most; it may use a processor up"
            ),
            Profile::Balanced | Profile::Power => {
                format!("{profile}: a message waits {cap} at most while nothing else happens")
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn each_profile_says_its_cap() {
        for (name, cap) in [("latency", "50.0 us"), ("balanced", "4.0 ms"), ("power", "20.0 ms")] {
            let line = waiting_profile(name);
            assert!(
                line.verdict == Verdict::Ok && line.says.starts_with(name) && line.says.contains(cap),
                "{line}"
            );
        }
        assert_eq!(waiting_profile("turbo").verdict, Verdict::Unknown);
    }
}

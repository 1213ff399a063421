//! libFuzzer, with the target that the environment names. Its options are libFuzzer's own.
#![no_main]

use std::env;
use std::sync::OnceLock;

use ivring_fuzz::Target;
use libfuzzer_sys::fuzz_target;

/// Names the target.
const VARIABLE: &str = "IVRING_FUZZ_TARGET";

fn target() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = env::var(VARIABLE).unwrap_or_default();
        Target::named(&name).unwrap_or_else(|| panic!("{VARIABLE} is to name a target, and is {name:?}"))
    })
}

fuzz_target!(|input: &[u8]| {
    target().run(input);
});

//! Inputs that once broke something, each under a name that says what. They must break nothing any more.

use std::fs;
use std::path::Path;

use ivring_fuzz::Target;

#[test]
fn what_was_found_stays_mended() {
    let findings = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings");
    let mut inputs = 0;
    for folder in fs::read_dir(&findings).expect("the folder of findings").filter_map(Result::ok) {
        let name = folder.file_name().into_string().expect("a plain name");
        let target = Target::named(&name).unwrap_or_else(|| panic!("{name} is no target"));
        for file in fs::read_dir(folder.path()).expect("a folder").filter_map(Result::ok) {
            println!("{name}: {}", file.path().display());
            target.run(&fs::read(file.path()).expect("an input"));
            inputs += 1;
        }
    }
    assert!(inputs > 0, "no input in {}", findings.display());
}

#[test]
fn any_short_input_holds() {
    for target in Target::ALL {
        target.run(&[]);
        for first in 0..=u8::MAX {
            target.run(&[first]);
            target.run(&[first, first, first ^ 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, first, first, first, first]);
        }
    }
}

//! A test for command lines: what the help shows as an example must be understood.

use clap::Parser;

/// Parses every example in the help texts of a program, which are `expected` in number.
///
/// An example is a line that names the program, maybe between pipes. What follows two spaces explains it.
pub(crate) fn assert_they_parse<P: Parser>(expected: usize) {
    let mut program = P::command();
    program.build();
    let name = program.get_name().to_owned();
    let mut texts: Vec<String> = vec![program.render_long_help().to_string()];
    texts.extend(program.get_subcommands_mut().map(|command| command.render_long_help().to_string()));
    let mut parsed = 0;
    for line in texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("  ")) {
        let Some(example) =
            line.split(" | ").map(str::trim).find(|part| part.split(' ').next() == Some(&name))
        else {
            continue;
        };
        let words =
            example.split("  ").next().unwrap_or_default().split(' ').map(|word| word.trim_matches('\''));
        if let Err(error) = P::try_parse_from(words) {
            panic!("{line}: {error}");
        }
        parsed += 1;
    }
    assert_eq!(parsed, expected, "the number of examples in the help");
}

//! The command `patch`.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use clap::Args;
use ivring_vm_config::{Action, Domain, InPlace, LARGEST_INPUT, Plan, Request};

use crate::options::DeviceOptions;
use crate::outcome::Outcome;
use crate::together::Together;
use crate::{Failure, exit, print};

const EXAMPLES: &str = "\
Examples:
  ivring-vm-config patch web1.xml > new.xml            the XML with the device; web1.xml stays as it is
  ivring-vm-config patch --diff *.xml                  what would change, with passwords covered
  ivring-vm-config patch --in-place *.xml              change the files; keeps FILE.ivring-backup of each
  ivring-vm-config patch --check --json *.xml          for scripts: exit code 1 if a domain lacks the device
  ivring-vm-config patch --remove --in-place *.xml     take the device out again
  virsh dumpxml --inactive --security-info web1 | ivring-vm-config patch - | virsh define /dev/stdin

Every byte outside the device's own element stays as it was. A device that is there already is left alone.

Exit codes: 0 done or already so, 1 --check found something to change, 2 usage, 3 refused or unsupported,
4 no XML of a domain, 5 reading or writing failed. Of several files the highest counts; the others are done.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PatchOptions {
    /// XML of one domain each; - is standard input
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Change the files themselves, each whole or not at all; keeps FILE.ivring-backup, readable by its owner only
    #[arg(long, short, conflicts_with = "check")]
    in_place: bool,
    /// Print what changes as a unified diff, secrets covered by ***
    #[arg(long)]
    diff: bool,
    /// Only say what would change; exit code 1 if something would
    #[arg(long)]
    check: bool,
    /// Take the device out
    #[arg(long)]
    remove: bool,
    /// Print a list of what became of each file, as JSON; needs --in-place, --check or --diff
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOptions,
}

impl PatchOptions {
    pub fn run(mut self) -> Result<u8, Failure> {
        let usage = |message: &str| Err(Failure { code: exit::USAGE, message: message.to_owned() });
        if self.files.is_empty() {
            if io::stdin().is_terminal() {
                return usage("no FILE: give the XML of a domain, or - to type it; see patch --help");
            }
            self.files.push("-".to_owned());
        }
        if self.is_filter() && self.files.len() > 1 {
            return usage("several files on standard output are no XML: use --in-place, --diff or --check");
        }
        if self.is_filter() && self.json {
            return usage(
                "--json and the XML cannot both go to standard output: add --in-place, --diff or --check",
            );
        }
        if self.in_place && self.files.iter().any(|file| file == "-") {
            return usage("--in-place changes files, and - is standard input: leave one of them out");
        }
        if self.files.iter().filter(|file| *file == "-").count() > 1 {
            return usage("- was given more than once: standard input can be read once only");
        }
        let request = self.device.request()?;
        self.each(&request)
    }

    /// Whether the changed XML goes to standard output.
    fn is_filter(&self) -> bool {
        !(self.in_place || self.diff || self.check)
    }

    /// One file after the other, whatever becomes of each.
    fn each(&self, request: &Request) -> Result<u8, Failure> {
        let mut report = Report { list: self.json.then(Vec::new), worst: 0 };
        if self.in_place {
            self.each_in_place(request, &mut report)?;
        } else {
            for file in &self.files {
                report.add(self.one(file, request))?;
            }
        }
        report.end()
    }

    fn one(&self, file: &str, request: &Request) -> Outcome {
        let outcome = Outcome::new(file);
        let content = match read(file) {
            Ok(content) => content,
            Err(error) => return outcome.io(&error),
        };
        match self.plan(&content, request, outcome) {
            (outcome, Some(_)) if self.check => outcome.checked(),
            (outcome, Some((_, patched))) if self.is_filter() => outcome.with_text(patched),
            (outcome, _) => outcome,
        }
    }

    /// Changes the files themselves, many together.
    fn each_in_place(&self, request: &Request, report: &mut Report) -> Result<(), Failure> {
        let mut together = Together::default();
        for file in &self.files {
            if together.is_full() {
                report.add_all(together.settle())?;
            }
            let opened = match together.open(file) {
                Some(opened) => opened,
                None => {
                    report.add_all(together.settle())?;
                    InPlace::open(Path::new(file))
                }
            };
            let outcome = Outcome::new(file);
            match opened {
                Err(error) => together.keep(outcome.not_in_place(&error)),
                Ok(in_place) => match self.plan(in_place.content(), request, outcome) {
                    (outcome, None | Some((Action::Nothing, _))) => together.keep(outcome),
                    (outcome, Some((_, patched))) => together.replace(in_place, &patched, outcome),
                },
            }
        }
        report.add_all(together.settle())
    }

    /// What is to be done with a domain and its text afterwards, unless it fails.
    fn plan(
        &self,
        content: &[u8],
        request: &Request,
        outcome: Outcome,
    ) -> (Outcome, Option<(Action, String)>) {
        let domain = match Domain::read(content) {
            Ok(domain) => domain,
            Err(error) => return (outcome.unreadable(&error), None),
        };
        let outcome = outcome.of_domain(&domain);
        let plan = if self.remove { Plan::remove(&domain, request) } else { Plan::install(&domain, request) };
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return (outcome.refused(&error), None),
        };
        let mut outcome = outcome.of_plan(&plan);
        let patched = plan.carry_out(&domain);
        if self.diff {
            outcome = outcome.with_diff(domain.text(), &patched);
        }
        (outcome, Some((plan.action(), patched)))
    }
}

/// What became of the files, told one by one or as one list at the end.
struct Report {
    list: Option<Vec<Outcome>>,
    worst: u8,
}

impl Report {
    fn add(&mut self, outcome: Outcome) -> Result<(), Failure> {
        self.worst = self.worst.max(outcome.exit());
        match &mut self.list {
            Some(list) => list.push(outcome),
            None => {
                outcome.tell();
                print(&outcome.shown())?;
            }
        }
        Ok(())
    }

    fn add_all(&mut self, mut outcomes: impl Iterator<Item = Outcome>) -> Result<(), Failure> {
        outcomes.try_for_each(|outcome| self.add(outcome))
    }

    fn end(self) -> Result<u8, Failure> {
        if let Some(list) = self.list {
            let text = serde_json::to_string_pretty(&list)
                .map_err(|error| Failure { code: exit::IO_FAILED, message: error.to_string() })?;
            print(&(text + "\n"))?;
        }
        Ok(self.worst)
    }
}

/// The bytes of `file`, at most one more than an input may have.
fn read(file: &str) -> io::Result<Vec<u8>> {
    let most = u64::try_from(LARGEST_INPUT).unwrap_or(u64::MAX).saturating_add(1);
    let mut content = Vec::new();
    if file == "-" {
        io::stdin().lock().take(most).read_to_end(&mut content)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut content)?;
    }
    Ok(content)
}

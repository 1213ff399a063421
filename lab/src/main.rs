//! `ivring-lab`: boots guests, shows the demo, verifies the project.

use std::fmt::Display;
use std::num::{NonZeroU8, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use ivring_lab::verify::{Tally, mutate, verify};
use ivring_lab::witness::Program;
use ivring_lab::{
    Accelerator, Attack, Chaos, Consent, Demo, Error, Fuzz, FuzzTarget, KillEveryStore, Lab, Withheld, act,
    attack, chaos, demo, fuzz, kill_every_store, prepare, run_input,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Real guests under QEMU, for trying and testing ivring.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cargo demo                            a daemon and two guests that talk (cargo run -p ivring-lab -- demo)
  cargo demo --no-vm                    the same with processes of this host, nothing to install
  cargo verify                          check everything (the long form: cargo run -p ivring-lab -- verify)
  cargo verify --mutate                 check that the tests notice weakened sources
  cargo lab fuzz --minutes 30 ring      look for inputs that break the ring, for half an hour
  cargo lab fuzz --minutes 30 all       the same for every target, as many at a time as there are processors
  cargo lab fuzz --input FILE ring      run one input, as a finding tells you to
  cargo lab kill-every-store            kill a process before each of its stores: nothing may be lost
  cargo lab chaos --rounds 1000 --vm    kill programs and machines at random: nothing may be lost
  cargo lab boot 3                      boot three guests on one region
  cargo lab attack --minutes 10         garbage in one region and between talkers in another; ends with what was lost
  cargo lab boot --kernel ./bzImage     boot a guest with a kernel of your own

Exit codes: 0 done, 1 a check failed or something was found, 2 usage, 3 something needed is missing,
4 a file that is none, 5 a program or guest failed";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show two guests and the host talk over shared memory, and measure it
    Demo {
        /// Agents as processes of this host instead of guests: nothing is installed
        #[arg(long, conflicts_with = "kernel")]
        no_vm: bool,
        /// Leave it running until Ctrl-C, and print what to type next
        #[arg(long)]
        keep: bool,
        /// A kernel image instead of the distribution's
        #[arg(long, value_name = "FILE")]
        kernel: Option<PathBuf>,
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Boot guests on one region and keep them until Ctrl-C
    Boot {
        /// How many guests
        #[arg(default_value = "1")]
        guests: NonZeroU8,
        /// A kernel image instead of the distribution's
        #[arg(long, value_name = "FILE")]
        kernel: Option<PathBuf>,
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Let guests write garbage over their regions while others talk, and check that nobody else is hurt
    Attack {
        /// For how long
        #[arg(long, value_name = "N", default_value = "1", value_parser = minutes)]
        minutes: Duration,
        /// Where the row of random numbers begins
        #[arg(long, default_value = "1")]
        seed: u64,
        /// Only processes of this host: nothing is installed
        #[arg(long)]
        no_vm: bool,
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Kill a process before each of its stores, and check that nothing is lost
    KillEveryStore {
        /// Play only those plays whose names hold TEXT
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Kill before every Nth store
        #[arg(long, value_name = "N", default_value = "1")]
        every: NonZeroU64,
        /// Let the process never store a word, to see that it is noticed
        #[arg(long, value_name = "WORD", hide = true)]
        withhold: Option<Withheld>,
    },
    /// Kill, stop and start programs at random while others talk, and check that nothing is lost
    Chaos {
        /// How many rounds
        #[arg(long, value_name = "N", default_value = "100")]
        rounds: u64,
        /// Do to whom what was done with this seed
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// Have a virtual machine among them, whose QEMU is killed too
        #[arg(long)]
        vm: bool,
        /// Install missing packages without asking
        #[arg(long, requires = "vm")]
        yes: bool,
    },
    /// Be a witness, for chaos
    #[command(hide = true)]
    Witness {
        #[command(subcommand)]
        program: Program,
    },
    /// Be the process that dies, for kill-every-store
    #[command(hide = true)]
    Act {
        /// The region's file
        region: PathBuf,
    },
    /// Run every check of the project; the last line is the count
    Verify {
        /// Instead, weaken each ordering, fence and sum in a copy, and check that a test notices
        #[arg(long)]
        mutate: bool,
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Run random programs of calls, guided by what code they reach, until one breaks something
    ///
    /// Inputs that reached something new are kept in the target directory, and the next run goes on with them. Each
    /// target ends with one line on standard output.
    Fuzz {
        /// What to attack
        #[arg(required = true, value_enum)]
        targets: Vec<FuzzTarget>,
        /// How long to look, for each target
        #[arg(long, value_name = "N", default_value = "1", value_parser = minutes)]
        minutes: Duration,
        /// How many targets at a time; as many as there are processors if not given
        #[arg(long, value_name = "N")]
        jobs: Option<NonZeroUsize>,
        /// Instead, run this one input, without an engine
        #[arg(long, value_name = "FILE", conflicts_with_all = ["minutes", "jobs"])]
        input: Option<PathBuf>,
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
}

/// Minutes, fractions of them too.
fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes, such as 30 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(minutes * 60.0)
        .ok()
        .filter(|time| *time >= Duration::from_secs(1))
        .ok_or_else(|| "a second or longer".to_owned())
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo { no_vm, keep, kernel, yes } => {
            demo(&Demo { no_vm, keep, kernel, consent: Consent::new(yes) }).map(|()| ExitCode::SUCCESS)
        }
        Command::Boot { guests, kernel, yes } => boot(guests, kernel, yes).map(|()| ExitCode::SUCCESS),
        Command::Attack { minutes, seed, no_vm, yes } => {
            let wanted = Attack { span: minutes, seed, no_vm, consent: Consent::new(yes) };
            attack(&wanted).map(|report| {
                println!("{report}");
                ExitCode::SUCCESS
            })
        }
        Command::KillEveryStore { only, every, withhold } => {
            kill_every_store(&KillEveryStore { only, every: every.get(), withheld: withhold }).map(judge)
        }
        Command::Chaos { rounds, seed, vm, yes } => {
            chaos(Chaos { rounds, seed, machine: vm.then(|| Consent::new(yes)) }).map(judge)
        }
        Command::Witness { program } => {
            program.run().map(|()| ExitCode::SUCCESS).map_err(Error::io("the witness"))
        }
        Command::Act { region } => act(&region).map(|()| ExitCode::SUCCESS),
        Command::Verify { mutate: true, .. } => mutate().map(report),
        Command::Verify { mutate: false, yes } => verify(Consent::new(yes)).map(report),
        Command::Fuzz { targets, input: Some(input), .. } => {
            run_input(&targets, &input).map(|held| if held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Fuzz { targets, minutes, jobs, input: None, yes } => {
            let consent = Consent::new(yes);
            let findings = fuzz(&Fuzz { targets, time: minutes, jobs, consent });
            findings.map(|findings| if findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("ivring-lab: {error}");
        error.exit_code()
    })
}

/// The count as the last line, and failure if anything failed.
fn report(tally: Tally) -> ExitCode {
    println!("{tally}");
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was proved as the last line, or failure and what is wrong.
fn judge(proof: Result<impl Display, impl Display>) -> ExitCode {
    match proof {
        Ok(proof) => {
            println!("{proof}");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            eprintln!("ivring-lab: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn boot(count: NonZeroU8, kernel: Option<PathBuf>, yes: bool) -> Result<(), Error> {
    let tools = prepare(kernel.as_deref(), Consent::new(yes))?;
    let lab = Lab::new("boot", &tools, &[])?;
    let region = lab.region("8M".parse().expect("8M is a power of two"))?;
    let plans: Vec<_> = (1..=count.get()).map(|n| lab.plan(&format!("guest{n}"), Some(&region))).collect();
    let guests = lab.boot(&plans)?;
    let by = lab.accelerator().map_or("nothing", Accelerator::name);
    println!("region {} ({}), guests under {by}:", region.path(), region.size());
    for (guest, plan) in guests.iter().zip(&plans) {
        println!("  {:10} {}  booted in {:.1} s", guest.name(), plan.uuid, guest.boot_time().as_secs_f64());
        println!("             console in {}", guest.console().display());
    }
    // Before anybody is told to send one.
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Error::io("cannot wait for Ctrl-C"))?;
    println!("Ctrl-C ends them");
    let _ = signals.forever().next();
    Ok(())
}

//! A domain's XML: any text, and what may be asked of it.
//!
//! The input: a request, then the text. What is refused is refused; else the device is there once afterwards, a second
//! time changes nothing, taking it out gives the text back byte by byte if that bears no mark of an earlier device, and
//! nobody has edited the domain meanwhile.

#[cfg(test)]
mod seeds;

use ivring_vm_config::{
    Action, Device, Domain, Model, OnConflict, PciAddress, Plan, Request, Role, Shmem, Size, Slot,
    added_controllers, edits_since, hot_plug, unified,
};

use crate::Input;

/// The end of the comment that says what was made for the device.
const MARK: &str = "by ivring-vm-config -->";

/// How far an input came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The text is a domain.
    pub read: bool,
    /// What was done to it.
    pub installed: Option<Action>,
    /// What was done to take the device out again.
    pub removed: Option<Action>,
    /// Where the device can be plugged in while the domain runs.
    pub plugged: Option<PciAddress>,
}

fn request(input: &mut Input<'_>) -> Option<Request> {
    let name = input.pick(&["fg_i3", "fg_i3", "other", "fg_i3-web1"]);
    let region = Shmem::new(name, Size::from_bytes(1 << (20 + input.byte() % 8)).ok()?).ok()?;
    let request = match input.byte() % 4 {
        1 => Request::per_domain(region).ok()?,
        _ => Request::shared(region),
    };
    let model = input.pick(&[Model::Plain, Model::Plain, Model::Legacy]);
    let role = input.pick(&[None, None, Some(Role::Peer), Some(Role::Master)]);
    let slot = match input.byte() % 4 {
        0 => Slot::default(),
        1 => Slot::Auto,
        2 => Slot::Prefer(input.byte() % 32),
        _ => Slot::Exact(PciAddress::new(input.byte(), input.byte() % 32, input.byte() % 8)?),
    };
    let conflict = input.pick(&[OnConflict::Refuse, OnConflict::Replace, OnConflict::Keep]);
    Some(request.with_model(model).with_role(role).ok()?.with_slot(slot).with_conflict(conflict))
}

/// Runs an input.
///
/// # Panics
///
/// When something does not hold.
pub fn run(input: &[u8]) -> Reached {
    let mut input = Input::new(input);
    let mut reached = Reached::default();
    let Some(request) = request(&mut input) else { return reached };
    let bytes = input.rest();
    let before = match Domain::read(bytes) {
        Ok(domain) => domain,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.code().is_empty());
            return reached;
        }
    };
    reached.read = true;
    assert_eq!(before.text().as_bytes(), bytes);
    reached.plugged = hot_plug(&before, Some(&before), &request).ok();
    remove_first(&before, &request);
    match Plan::install(&before, &request) {
        Err(refused) => assert!(!refused.to_string().is_empty()),
        Ok(plan) => installed(&before, &request, &plan, &mut reached),
    }
    reached
}

/// Taking out what may not be there.
fn remove_first(before: &Domain<'_>, request: &Request) {
    let Ok(plan) = Plan::remove(before, request) else { return };
    let text = plan.carry_out(before);
    if plan.action() == Action::Nothing {
        assert_eq!(text, before.text(), "it changed for nothing");
        return;
    }
    let after = read(&text);
    assert_eq!(own(&after, plan.device()), 0, "it is still there");
    let again = Plan::remove(&after, request).expect("nothing is left to refuse");
    assert_eq!(again.action(), Action::Nothing);
    let edits = edits_since(before, &after, plan.device().region.name());
    assert!(edits.is_empty(), "taking it out edited {edits:?}");
}

fn read(text: &str) -> Domain<'_> {
    match Domain::read(text.as_bytes()) {
        Ok(domain) => domain,
        Err(error) => panic!("what came out is unreadable: {error}"),
    }
}

fn own(domain: &Domain<'_>, device: &Device) -> usize {
    domain.existing().iter().filter(|shmem| shmem.name() == device.region.name()).count()
}

fn installed(before: &Domain<'_>, request: &Request, plan: &Plan, reached: &mut Reached) {
    reached.installed = Some(plan.action());
    let name = plan.device().region.name();
    let patched = plan.carry_out(before);
    let after = read(&patched);
    let diff = unified("domain", before.text(), &patched);
    assert_eq!(diff.is_empty(), patched == before.text(), "{diff}");
    if plan.action() == Action::Nothing {
        assert_eq!(patched, before.text(), "it changed for nothing");
        return;
    }
    assert_eq!(own(&after, plan.device()), 1, "it is there once");
    // A domain without devices gets the element for them, too.
    let element = |text: &str| text.matches("<devices").count();
    if element(&patched) == element(before.text()) {
        let edits = edits_since(before, &after, name);
        assert!(edits.is_empty(), "bringing it edited {edits:?}");
    }
    assert!(added_controllers(before, &after, name).is_empty(), "it brought controllers");
    match Plan::install(&after, request) {
        Ok(again) => {
            assert_eq!((again.action(), again.carry_out(&after)), (Action::Nothing, patched.clone()))
        }
        Err(refused) => panic!("a second time is refused: {refused}"),
    }
    if plan.action() == Action::Insert {
        match Plan::remove(&after, request) {
            Ok(removal) => {
                reached.removed = Some(removal.action());
                // The mark of an earlier device, which somebody took out by other means, goes with this one.
                if !before.text().contains(MARK) {
                    assert_eq!(
                        removal.carry_out(&after),
                        before.text(),
                        "without the device it is not what it was"
                    );
                }
            }
            Err(refused) => panic!("it cannot be taken out: {refused}"),
        }
    }
}

//! Whether a domain's QEMU has the device at all.

use std::collections::HashMap;

use super::{Connection, LibvirtError};
use crate::{Domain, Model};

/// Asks a libvirt whether the QEMUs of its domains have the device, each QEMU once.
///
/// Some distributions build QEMU without ivshmem, those of the Red Hat family among them. libvirt knows what a QEMU has;
/// it tells when it is to make a command line. It is asked with a domain of three lines, not with a real one, for which
/// some versions of libvirt would not be ready.
#[derive(Debug)]
pub struct Probe<'a> {
    connection: &'a Connection,
    answers: HashMap<String, Result<(), String>>,
}

impl<'a> Probe<'a> {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(connection: &'a Connection) -> Self {
        Self { connection, answers: HashMap::new() }
    }

    /// Whether the QEMU of `domain` has the device: if not, what libvirt says of it. A QEMU that cannot be asked counts as one
    /// that has it, since libvirt refuses what it cannot do.
    ///
    /// # Errors
    ///
    /// [`LibvirtError`] if there is no connection.
    pub fn has(&mut self, domain: &Domain<'_>, model: Model) -> Result<Result<(), String>, LibvirtError> {
        let xml = question(domain, model);
        if let Some(known) = self.answers.get(&xml) {
            return Ok(known.clone());
        }
        let answer = match self.connection.command_line_of(&xml) {
            Err(LibvirtError::Failed { message, .. }) if is_about_the_device(&message) => Err(message),
            Err(error) if error.is_of_connection() => return Err(error),
            _ => Ok(()),
        };
        self.answers.insert(xml, answer.clone());
        Ok(answer)
    }
}

fn is_about_the_device(message: &str) -> bool {
    message.contains("ivshmem") && message.contains("support")
}

/// A domain with the machine of `domain` and nothing but the device, under a name of no domain's own.
fn question(domain: &Domain<'_>, model: Model) -> String {
    let attribute = |name: &str, value: Option<&str>| {
        value.map_or(String::new(), |value| format!(" {name}='{}'", escaped(value)))
    };
    let emulator = domain
        .emulator()
        .map_or(String::new(), |emulator| format!("<emulator>{}</emulator>", escaped(emulator)));
    // What the device is called and how large it is does not matter, and must not make two questions of one.
    format!(
        "<domain type='{}'><name>ivring-probe</name><memory unit='MiB'>64</memory><os><type{}{}>hvm</type></os><devices>\
         {emulator}<shmem name='ivring-probe'><model type='{}'/><size unit='M'>1</size></shmem></devices></domain>",
        escaped(domain.kind()),
        attribute("arch", domain.arch()),
        attribute("machine", domain.machine()),
        model.name(),
    )
}

/// `text` for the inside of an element or of an attribute in single quotes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_a_small_domain_of_the_same_machine() {
        let xml = "<domain type='kvm'><name>a</name><os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>\
                   <devices><emulator>/opt/a&amp;b/qemu</emulator><disk/></devices></domain>";
        let domain = Domain::read(xml.as_bytes()).unwrap();
        let question = question(&domain, Model::Plain);
        assert!(question.contains(
            "<type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os><devices><emulator>/opt/a&amp;b/qemu</emulator><shmem"
        ));
        assert!(!question.contains("disk"), "{question}");
        assert!(Domain::read(question.as_bytes()).is_ok());
    }

    #[test]
    fn what_libvirt_says_of_another_matter_is_no_answer() {
        assert!(is_about_the_device("shmem model 'ivshmem-plain' is not supported by this QEMU binary"));
        assert!(is_about_the_device("ivshmem device is not supported with this QEMU binary"));
        assert!(is_about_the_device("ivshmem device is no longer supported"));
        assert!(!is_about_the_device("Emulator '/usr/bin/x' does not support virt type 'kvm'"));
    }
}

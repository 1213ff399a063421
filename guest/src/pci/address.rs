//! Where a PCI device sits: domain, bus, device and function.

use std::fmt;
use std::str::FromStr;

/// The address of a PCI function, written `0000:00:1f.0`; on input the domain may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

/// Text that is no PCI address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no PCI address: expected domain:bus:device.function in hexadecimal, such as 0000:00:1f.0")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text).ok_or_else(|| AddressError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Address> {
    let (place, function) = text.split_once('.')?;
    let (rest, device) = place.rsplit_once(':')?;
    let (domain, bus) = rest.split_once(':').unwrap_or(("0", rest));
    Some(Address {
        // Domains above ffff exist: Intel's volume management device makes them.
        domain: hexadecimal(domain, 8, u32::MAX)?,
        bus: u8::try_from(hexadecimal(bus, 2, 0xff)?).ok()?,
        device: u8::try_from(hexadecimal(device, 2, 0x1f)?).ok()?,
        function: u8::try_from(hexadecimal(function, 1, 7)?).ok()?,
    })
}

/// Up to `digits` hexadecimal digits, at most `max`; stricter than `from_str_radix`, which takes a sign.
fn hexadecimal(text: &str, digits: usize, max: u32) -> Option<u32> {
    if text.len() > digits || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(text, 16).ok().filter(|&number| number <= max)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:02x}:{:02x}.{:x}", self.domain, self.bus, self.device, self.function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        for (text, printed) in [
            ("0000:00:1f.0", "0000:00:1f.0"),
            ("00:1f.7", "0000:00:1f.7"),
            ("10000:e1:00.0", "10000:e1:00.0"),
            ("0:A.1", "0000:00:0a.1"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), printed);
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "00",
            "00:1f",
            ":.",
            "00:20.0",
            "00:1f.8",
            "+0:1f.0",
            "0:0:0:1f.0",
            "00:1f.0 ",
            "00:1f.",
            "é:1.0",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?} was taken");
        }
    }
}

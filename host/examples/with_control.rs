//! A service with a region of its own that operators can look into: it answers `time`, and serves a control socket.
//!
//! `cargo run -p ivring-host --example with_control -- ./region ./control.sock`, and then
//! `ivring --socket ./control.sock ls`.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ivring_host::{Event, Host, Options, Status};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(region), Some(socket)) = (arguments.next(), arguments.next()) else {
        return Err("say the region and the path of the control socket".into());
    };
    let mut host = Host::open(Options { size: Some(1 << 20), ..Options::new(region) })?;
    host.control(Path::new(&socket))?;
    println!("serving");
    loop {
        match host.wait(Duration::from_secs(1)) {
            Some(Event::Request { guest, id, topic, .. }) if topic == "time" => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs().to_string();
                host.respond(&guest, id, Status::Ok, now.as_bytes())?;
            }
            Some(Event::Request { guest, id, .. }) => host.respond(&guest, id, Status::NoHandler, &[])?,
            Some(Event::Lost(lost)) => return Err(lost.into()),
            Some(event) => println!("{event:?}"),
            None => {}
        }
    }
}

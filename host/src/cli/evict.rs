//! `ivring evict`.

use ivring_proto::console::{Endpoint, Failure, Output};
use ivring_proto::control::{Code, Request};

use super::options::Evict;
use super::target;

/// Takes its channel away from a guest.
pub(super) fn evict(evict: &Evict, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let request = Request::Evict { target: target(&evict.guest, &evict.region) };
    let (response, _) = daemon.connect()?.call(&request, &[])?;
    let freed = response.code.is_done();
    if out.json {
        out.json(&serde_json::json!({ "freed": freed }))?;
    }
    if freed {
        return Ok(());
    }
    let text = format!("{} is evicted, and its channel not free yet: see `ivring ls`", evict.guest);
    Err(Failure::new(Code::Pending, text))
}

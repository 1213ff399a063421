//! `ivring evict`.

use ivring_proto::control::{Client, Code, Request};

use super::failure::Failure;
use super::options::Evict;
use super::output::Output;
use super::target;

/// Takes its channel away from a guest.
pub(super) fn evict(evict: &Evict, client: &mut Client, out: &mut Output) -> Result<(), Failure> {
    let request = Request::Evict { target: target(&evict.guest, &evict.region) };
    let (response, _) = client.call(&request, &[])?;
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

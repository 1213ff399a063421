//! `ivring request`.

use ivring_proto::console::{self, Endpoint, Failure, Output, Question};

use super::options::Request;
use super::target;

/// Asks a guest and prints its answer.
pub(super) fn request(request: Request, daemon: &Endpoint, out: &mut Output) -> Result<(), Failure> {
    let Request { guest, topic, text, file, timeout, out: answer, region } = request;
    let question = Question { target: target(&guest, &region), topic, text, file, timeout, answer };
    console::request(question, daemon, out)
}

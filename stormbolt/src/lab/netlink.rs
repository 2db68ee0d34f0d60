//! Route netlink requests inside a namespace.

use rtnetlink::Handle;

use super::{LabError, Namespace};

/// Runs `request` with a netlink connection of `namespace`, and waits for it.
///
/// `operation` completes "cannot …" in errors.
pub(super) fn with_netlink<F>(
    namespace: &Namespace,
    operation: String,
    request: F,
) -> Result<(), LabError>
where
    F: AsyncFnOnce(Handle) -> Result<(), rtnetlink::Error> + Send,
{
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(LabError::io("start the netlink client"))?;
        runtime.block_on(async {
            let (connection, handle, _messages) =
                rtnetlink::new_connection().map_err(LabError::io("open a netlink socket"))?;
            tokio::spawn(connection);
            request(handle).await.map_err(|source| LabError::Netlink {
                operation,
                source: Box::new(source),
            })
        })
    })?
}

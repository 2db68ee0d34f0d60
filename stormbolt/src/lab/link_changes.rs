//! What becomes of interfaces: they go, get other names, other namespaces and other sizes.

use std::os::fd::AsRawFd;

use rtnetlink::LinkUnspec;

use super::{Interface, LabError, Namespace};

impl Interface {
    /// Removes the interface, and with it the other end of its link.
    ///
    /// # Errors
    ///
    /// When it is gone already.
    pub fn remove(self) -> Result<(), LabError> {
        self.netlink("remove".to_owned(), async |netlink, index| {
            netlink.link().del(index).execute().await
        })
    }

    /// Gives the interface another name; it is down for that moment.
    ///
    /// # Errors
    ///
    /// When the name is taken.
    pub fn rename(&mut self, name: &str) -> Result<(), LabError> {
        self.set_down()?;
        self.netlink(format!("call `{name}`"), async |netlink, index| {
            let link = LinkUnspec::new_with_index(index).name(name.to_owned());
            netlink.link().change(link.build()).execute().await
        })?;
        name.clone_into(&mut self.name);
        self.set_up()
    }

    /// Moves the interface to another namespace, where it is down and without addresses.
    ///
    /// # Errors
    ///
    /// When the name is taken there.
    pub fn move_to(self, namespace: &Namespace) -> Result<Self, LabError> {
        let operation = format!("move to `{}`", namespace.label());
        self.netlink(operation, async |netlink, index| {
            let link = LinkUnspec::new_with_index(index).setns_by_fd(namespace.fd().as_raw_fd());
            netlink.link().change(link.build()).execute().await
        })?;
        Self::find(namespace, &self.name, self.mac)
    }

    /// Sets the largest IP packet, in bytes.
    ///
    /// # Errors
    ///
    /// When the device cannot have so large ones.
    pub fn set_mtu(&self, bytes: u32) -> Result<(), LabError> {
        self.netlink(format!("set the MTU {bytes} of"), async |netlink, index| {
            let link = LinkUnspec::new_with_index(index).mtu(bytes);
            netlink.link().change(link.build()).execute().await
        })
    }
}

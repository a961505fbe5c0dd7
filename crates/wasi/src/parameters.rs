//! What the parameters of WASI's functions mean, for those who tell others what a guest has asked for.

use crate::WasiFunction;

/// What a parameter is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParameterKind {
    /// A descriptor.
    Descriptor,
    /// A number.
    Number,
    /// A number that may be negative.
    Signed,
    /// Flags.
    Bits,
    /// Address and length of a path, or of another text.
    Path,
    /// Address of a text that ends with a NUL.
    Text,
    /// Address and count of buffers that are filled.
    Filled,
    /// Address and count of buffers that are taken from.
    Taken,
    /// Address and length of one that is filled.
    Buffer,
    /// Address of a result of so many bytes, which is a number; where in it, if it has other parts as well.
    Result {
        /// How many bytes the number has.
        size: u8,
        /// How many are in front of it.
        at: u8,
    },
    /// Address of a result that is a descriptor.
    NewDescriptor,
    /// Addresses of what is waited for and of what has happened, and how many are waited for.
    Subscriptions,
    /// Address of a socket's address.
    Address,
    /// Address of a result that is a socket's address.
    NewAddress,
    /// An address that says nothing.
    Elsewhere,
}

/// A parameter, or some that belong together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// What WASI calls it.
    pub name: &'static str,
    /// What it is.
    pub kind: ParameterKind,
    /// The first of its arguments.
    pub first: usize,
    /// Whether that has 64 bits.
    pub wide: bool,
}

impl ParameterKind {
    fn parse(kind: &str) -> Option<ParameterKind> {
        Some(match kind {
            "fd" => ParameterKind::Descriptor,
            "n" => ParameterKind::Number,
            "signed" => ParameterKind::Signed,
            "bits" => ParameterKind::Bits,
            "path" => ParameterKind::Path,
            "text" => ParameterKind::Text,
            "filled" => ParameterKind::Filled,
            "taken" => ParameterKind::Taken,
            "buffer" => ParameterKind::Buffer,
            "1" => ParameterKind::Result { size: 1, at: 0 },
            "2" => ParameterKind::Result { size: 2, at: 0 },
            "4" => ParameterKind::Result { size: 4, at: 0 },
            "8" => ParameterKind::Result { size: 8, at: 0 },
            // What is said of a file: how large it is.
            "filestat" => ParameterKind::Result { size: 8, at: 32 },
            // Of a descriptor: its flags.
            "fdstat" => ParameterKind::Result { size: 2, at: 2 },
            // Of a preopened directory: how long its name is.
            "prestat" => ParameterKind::Result { size: 4, at: 4 },
            "newfd" => ParameterKind::NewDescriptor,
            "subscriptions" => ParameterKind::Subscriptions,
            "address" => ParameterKind::Address,
            "newaddress" => ParameterKind::NewAddress,
            "elsewhere" => ParameterKind::Elsewhere,
            _ => return None,
        })
    }

    /// How many arguments it takes.
    pub fn arguments(self) -> usize {
        match self {
            ParameterKind::Path | ParameterKind::Filled | ParameterKind::Taken | ParameterKind::Buffer => 2,
            ParameterKind::Subscriptions => 3,
            _ => 1,
        }
    }
}

/// Name and kind of each, in order. Of a socket's options, the names of functions say what they are.
fn described(function: &str) -> &'static str {
    match function {
        "args_get" => "argv:elsewhere argv_buf:elsewhere",
        "args_sizes_get" => "argc:4 argv_buf_size:4",
        "environ_get" => "environ:elsewhere environ_buf:elsewhere",
        "environ_sizes_get" => "environc:4 environ_buf_size:4",
        "clock_res_get" => "id:n resolution:8",
        "clock_time_get" => "id:n precision:n time:8",
        "fd_advise" => "fd:fd offset:n len:n advice:n",
        "fd_allocate" => "fd:fd offset:n len:n",
        "fd_close" | "fd_datasync" | "fd_sync" | "sock_close" => "fd:fd",
        "fd_fdstat_get" => "fd:fd flags:fdstat",
        "fd_fdstat_set_flags" => "fd:fd flags:bits",
        "fd_fdstat_set_rights" => "fd:fd fs_rights_base:bits fs_rights_inheriting:bits",
        "fd_filestat_get" => "fd:fd size:filestat",
        "fd_filestat_set_size" => "fd:fd size:n",
        "fd_filestat_set_times" => "fd:fd atim:n mtim:n fst_flags:bits",
        "fd_pread" => "fd:fd iovs:filled offset:n nread:4",
        "fd_prestat_get" => "fd:fd pr_name_len:prestat",
        "fd_prestat_dir_name" => "fd:fd path:buffer",
        "fd_pwrite" => "fd:fd iovs:taken offset:n nwritten:4",
        "fd_read" => "fd:fd iovs:filled nread:4",
        "fd_readdir" => "fd:fd buf:buffer cookie:n bufused:4",
        "fd_renumber" => "fd:fd to:fd",
        "fd_seek" => "fd:fd offset:signed whence:n newoffset:8",
        "fd_tell" => "fd:fd offset:8",
        "fd_write" => "fd:fd iovs:taken nwritten:4",
        "path_create_directory" | "path_remove_directory" | "path_unlink_file" => "fd:fd path:path",
        "path_filestat_get" => "fd:fd flags:bits path:path size:filestat",
        "path_filestat_set_times" => "fd:fd flags:bits path:path atim:n mtim:n fst_flags:bits",
        "path_link" => "old_fd:fd old_flags:bits old_path:path new_fd:fd new_path:path",
        "path_open" => {
            "fd:fd dirflags:bits path:path oflags:bits fs_rights_base:bits fs_rights_inheriting:bits fdflags:bits opened_fd:newfd"
        }
        "path_readlink" => "fd:fd path:path buf:buffer bufused:4",
        "path_rename" => "fd:fd old_path:path new_fd:fd new_path:path",
        "path_symlink" => "old_path:path fd:fd new_path:path",
        "poll_oneoff" => "in:subscriptions nevents:4",
        "proc_exit" => "rval:n",
        "proc_raise" => "sig:n",
        "random_get" => "buf:buffer",
        "sched_yield" => "",
        "sock_accept" => "fd:fd flags:bits accepted_fd:newfd",
        "sock_recv" => "fd:fd ri_data:filled ri_flags:bits ro_datalen:4 ro_flags:2",
        "sock_send" => "fd:fd si_data:taken si_flags:bits so_datalen:4",
        "sock_shutdown" => "fd:fd how:bits",
        "sock_addr_local" | "sock_addr_remote" => "fd:fd addr:newaddress",
        "sock_addr_resolve" => {
            "host:text service:text hints:elsewhere addr_info:elsewhere addr_info_size:n max_info_size:4"
        }
        "sock_bind" | "sock_connect" => "fd:fd addr:address",
        "sock_listen" => "fd:fd backlog:n",
        "sock_open" => "poolfd:n af:n socktype:n sockfd:newfd",
        "sock_recv_from" => "fd:fd ri_data:filled ri_flags:bits src_addr:newaddress ro_datalen:4",
        "sock_send_to" => "fd:fd si_data:taken si_flags:bits dest_addr:address so_datalen:4",
        "sock_get_linger" => "fd:fd is_enabled:1 linger_s:4",
        "sock_set_linger" => "fd:fd is_enabled:n linger_s:n",
        "sock_get_recv_timeout" | "sock_get_send_timeout" => "fd:fd timeout_us:8",
        "sock_get_recv_buf_size" | "sock_get_send_buf_size" => "fd:fd bufsiz:4",
        "sock_get_tcp_keep_idle" | "sock_get_tcp_keep_intvl" => "fd:fd time_s:4",
        "sock_get_ip_multicast_loop" => "fd:fd ipv6:n is_enabled:1",
        "sock_set_ip_multicast_loop" => "fd:fd ipv6:n is_enabled:n",
        "sock_set_ip_add_membership" | "sock_set_ip_drop_membership" => {
            "fd:fd imr_multiaddr:elsewhere imr_interface:n"
        }
        get if get.starts_with("sock_get_") => "fd:fd option:1",
        set if set.starts_with("sock_set_") => "fd:fd option:n",
        _ => "",
    }
}

impl WasiFunction {
    /// What its parameters mean, in order.
    pub fn parameters(&self) -> Vec<Parameter> {
        let wide: Vec<bool> = self.params().map(|ty| ty == crate::ValType::I64).collect();
        let mut first = 0;
        let mut parameters = Vec::new();
        for word in described(self.name).split_whitespace() {
            let Some((name, kind)) = word.split_once(':') else { continue };
            let Some(kind) = ParameterKind::parse(kind) else { continue };
            let is_wide = wide.get(first).copied().unwrap_or(false);
            parameters.push(Parameter { name, kind, first, wide: is_wide });
            first += kind.arguments();
        }
        parameters
    }
}

#[cfg(test)]
mod tests {
    use super::{ParameterKind, described};
    use crate::{FUNCTIONS, ValType, WasiFunction};

    #[test]
    fn all_parameters_of_all_functions_are_described() {
        for function in FUNCTIONS {
            let words = described(function.name).split_whitespace().count();
            let parameters = function.parameters();
            assert_eq!(parameters.len(), words, "{}", function.name);
            let described: usize = parameters.iter().map(|parameter| parameter.kind.arguments()).sum();
            assert_eq!(described, function.params().len(), "{}", function.name);
            // Addresses are 32 bits wide.
            let types: Vec<ValType> = function.params().collect();
            for parameter in parameters {
                let number = [ParameterKind::Number, ParameterKind::Signed, ParameterKind::Bits];
                assert!(number.contains(&parameter.kind) || !parameter.wide, "{}", function.name);
                assert_eq!(parameter.wide, types[parameter.first] == ValType::I64);
            }
        }
    }

    #[test]
    fn signatures_and_descriptions_agree_about_texts_and_buffers() {
        for function in FUNCTIONS {
            let letters = &function.signature.split_once(')').unwrap().0.as_bytes()[1..];
            for parameter in function.parameters() {
                let letters = &letters[parameter.first..][..parameter.kind.arguments()];
                match parameter.kind {
                    ParameterKind::Path | ParameterKind::Buffer => {
                        assert_eq!(letters, b"*~", "{}", function.name)
                    }
                    ParameterKind::Text => assert_eq!(letters, b"$", "{}", function.name),
                    ParameterKind::Filled | ParameterKind::Taken => {
                        assert_eq!(letters, b"*i", "{}", function.name);
                    }
                    ParameterKind::Subscriptions => assert_eq!(letters, b"**i", "{}", function.name),
                    ParameterKind::Result { .. }
                    | ParameterKind::NewDescriptor
                    | ParameterKind::Address
                    | ParameterKind::NewAddress
                    | ParameterKind::Elsewhere => assert_eq!(letters, b"*", "{}", function.name),
                    _ => assert!(matches!(letters, b"i" | b"I"), "{}", function.name),
                }
            }
        }
    }

    #[test]
    fn a_description_says_where_its_arguments_are() {
        let open = WasiFunction::find("path_open").unwrap().parameters();
        let places: Vec<_> = open.iter().map(|parameter| (parameter.name, parameter.first)).collect();
        assert_eq!(places[2..4], [("path", 2), ("oflags", 4)]);
        assert_eq!(open.last().map(|last| (last.kind, last.first)), Some((ParameterKind::NewDescriptor, 8)));
    }
}

//! The table of functions.

use crate::{WasiFunction, clock, dir, fd, path, poll, process, run, socket_options, sockets};

macro_rules! functions {
    ($($name:literal $signature:literal $function:path;)*) => {
        &[$(WasiFunction {
            name: $name,
            signature: $signature,
            call: |ctx, memory, interrupt, args| run($name, $function, ctx, memory, interrupt, args),
        },)*]
    };
}

/// Every function, for import from `wasi_snapshot_preview1` and `wasi_unstable` alike: the 46 of preview 1
/// first, then WAMR's socket extension.
pub static FUNCTIONS: &[WasiFunction] = functions! {
    "args_get" "(**)i" process::args_get;
    "args_sizes_get" "(**)i" process::args_sizes_get;
    "environ_get" "(**)i" process::environ_get;
    "environ_sizes_get" "(**)i" process::environ_sizes_get;
    "clock_res_get" "(i*)i" clock::clock_res_get;
    "clock_time_get" "(iI*)i" clock::clock_time_get;
    "fd_advise" "(iIIi)i" fd::fd_advise;
    "fd_allocate" "(iII)i" fd::fd_allocate;
    "fd_close" "(i)i" fd::fd_close;
    "fd_datasync" "(i)i" fd::fd_datasync;
    "fd_fdstat_get" "(i*)i" fd::fd_fdstat_get;
    "fd_fdstat_set_flags" "(ii)i" fd::fd_fdstat_set_flags;
    "fd_fdstat_set_rights" "(iII)i" fd::fd_fdstat_set_rights;
    "fd_filestat_get" "(i*)i" fd::fd_filestat_get;
    "fd_filestat_set_size" "(iI)i" fd::fd_filestat_set_size;
    "fd_filestat_set_times" "(iIIi)i" fd::fd_filestat_set_times;
    "fd_pread" "(i*iI*)i" fd::fd_pread;
    "fd_prestat_get" "(i*)i" fd::fd_prestat_get;
    "fd_prestat_dir_name" "(i*~)i" fd::fd_prestat_dir_name;
    "fd_pwrite" "(i*iI*)i" fd::fd_pwrite;
    "fd_read" "(i*i*)i" fd::fd_read;
    "fd_readdir" "(i*~I*)i" dir::fd_readdir;
    "fd_renumber" "(ii)i" fd::fd_renumber;
    "fd_seek" "(iIi*)i" fd::fd_seek;
    "fd_sync" "(i)i" fd::fd_sync;
    "fd_tell" "(i*)i" fd::fd_tell;
    "fd_write" "(i*i*)i" fd::fd_write;
    "path_create_directory" "(i*~)i" path::path_create_directory;
    "path_filestat_get" "(ii*~*)i" path::path_filestat_get;
    "path_filestat_set_times" "(ii*~IIi)i" path::path_filestat_set_times;
    "path_link" "(ii*~i*~)i" path::path_link;
    "path_open" "(ii*~iIIi*)i" path::path_open;
    "path_readlink" "(i*~*~*)i" path::path_readlink;
    "path_remove_directory" "(i*~)i" path::path_remove_directory;
    "path_rename" "(i*~i*~)i" path::path_rename;
    "path_symlink" "(*~i*~)i" path::path_symlink;
    "path_unlink_file" "(i*~)i" path::path_unlink_file;
    "poll_oneoff" "(**i*)i" poll::poll_oneoff;
    "proc_exit" "(i)" process::proc_exit;
    "proc_raise" "(i)i" process::proc_raise;
    "random_get" "(*~)i" process::random_get;
    "sched_yield" "()i" process::sched_yield;
    "sock_accept" "(ii*)i" sockets::sock_accept;
    "sock_recv" "(i*ii**)i" sockets::sock_recv;
    "sock_send" "(i*ii*)i" sockets::sock_send;
    "sock_shutdown" "(ii)i" sockets::sock_shutdown;

    "sock_addr_local" "(i*)i" sockets::sock_addr_local;
    "sock_addr_remote" "(i*)i" sockets::sock_addr_remote;
    "sock_addr_resolve" "($$**i*)i" sockets::sock_addr_resolve;
    "sock_bind" "(i*)i" sockets::sock_bind;
    "sock_close" "(i)i" sockets::sock_close;
    "sock_connect" "(i*)i" sockets::sock_connect;
    "sock_listen" "(ii)i" sockets::sock_listen;
    "sock_open" "(iii*)i" sockets::sock_open;
    "sock_recv_from" "(i*ii**)i" sockets::sock_recv_from;
    "sock_send_to" "(i*ii**)i" sockets::sock_send_to;
    "sock_get_broadcast" "(i*)i" socket_options::sock_get_broadcast;
    "sock_get_keep_alive" "(i*)i" socket_options::sock_get_keep_alive;
    "sock_get_linger" "(i**)i" socket_options::sock_get_linger;
    "sock_get_recv_buf_size" "(i*)i" socket_options::sock_get_recv_buf_size;
    "sock_get_recv_timeout" "(i*)i" socket_options::sock_get_recv_timeout;
    "sock_get_reuse_addr" "(i*)i" socket_options::sock_get_reuse_addr;
    "sock_get_reuse_port" "(i*)i" socket_options::sock_get_reuse_port;
    "sock_get_send_buf_size" "(i*)i" socket_options::sock_get_send_buf_size;
    "sock_get_send_timeout" "(i*)i" socket_options::sock_get_send_timeout;
    "sock_get_tcp_fastopen_connect" "(i*)i" socket_options::sock_get_tcp_fastopen_connect;
    "sock_get_tcp_keep_idle" "(i*)i" socket_options::sock_get_tcp_keep_idle;
    "sock_get_tcp_keep_intvl" "(i*)i" socket_options::sock_get_tcp_keep_intvl;
    "sock_get_tcp_no_delay" "(i*)i" socket_options::sock_get_tcp_no_delay;
    "sock_get_tcp_quick_ack" "(i*)i" socket_options::sock_get_tcp_quick_ack;
    "sock_get_ip_multicast_loop" "(ii*)i" socket_options::sock_get_ip_multicast_loop;
    "sock_get_ip_multicast_ttl" "(i*)i" socket_options::sock_get_ip_multicast_ttl;
    "sock_get_ip_ttl" "(i*)i" socket_options::sock_get_ip_ttl;
    "sock_get_ipv6_only" "(i*)i" socket_options::sock_get_ipv6_only;
    "sock_set_broadcast" "(ii)i" socket_options::sock_set_broadcast;
    "sock_set_keep_alive" "(ii)i" socket_options::sock_set_keep_alive;
    "sock_set_linger" "(iii)i" socket_options::sock_set_linger;
    "sock_set_recv_buf_size" "(ii)i" socket_options::sock_set_recv_buf_size;
    "sock_set_recv_timeout" "(iI)i" socket_options::sock_set_recv_timeout;
    "sock_set_reuse_addr" "(ii)i" socket_options::sock_set_reuse_addr;
    "sock_set_reuse_port" "(ii)i" socket_options::sock_set_reuse_port;
    "sock_set_send_buf_size" "(ii)i" socket_options::sock_set_send_buf_size;
    "sock_set_send_timeout" "(iI)i" socket_options::sock_set_send_timeout;
    "sock_set_tcp_fastopen_connect" "(ii)i" socket_options::sock_set_tcp_fastopen_connect;
    "sock_set_tcp_keep_idle" "(ii)i" socket_options::sock_set_tcp_keep_idle;
    "sock_set_tcp_keep_intvl" "(ii)i" socket_options::sock_set_tcp_keep_intvl;
    "sock_set_tcp_no_delay" "(ii)i" socket_options::sock_set_tcp_no_delay;
    "sock_set_tcp_quick_ack" "(ii)i" socket_options::sock_set_tcp_quick_ack;
    "sock_set_ip_multicast_loop" "(iii)i" socket_options::sock_set_ip_multicast_loop;
    "sock_set_ip_multicast_ttl" "(ii)i" socket_options::sock_set_ip_multicast_ttl;
    "sock_set_ip_add_membership" "(i*i)i" socket_options::sock_set_ip_add_membership;
    "sock_set_ip_drop_membership" "(i*i)i" socket_options::sock_set_ip_drop_membership;
    "sock_set_ip_ttl" "(ii)i" socket_options::sock_set_ip_ttl;
    "sock_set_ipv6_only" "(ii)i" socket_options::sock_set_ipv6_only;
};

#[cfg(test)]
mod tests {
    use super::FUNCTIONS;
    use crate::{ValType, WasiFunction};
    use std::collections::HashSet;

    #[test]
    fn there_are_46_functions_of_preview_1_and_48_of_the_extension_and_no_name_twice() {
        let names: HashSet<_> = FUNCTIONS.iter().map(|f| f.name).collect();
        assert_eq!((FUNCTIONS.len(), names.len()), (46 + 48, 46 + 48));
        assert_eq!(FUNCTIONS.iter().filter(|f| f.name.starts_with("sock_")).count(), 52);
    }

    #[test]
    fn wasm_types_follow_from_the_signature() {
        let open = WasiFunction::find("path_open").unwrap();
        use ValType::{I32, I64};
        assert_eq!(open.params().collect::<Vec<_>>(), [I32, I32, I32, I32, I32, I64, I64, I32, I32]);
        assert_eq!(open.results().collect::<Vec<_>>(), [I32]);
        let exit = WasiFunction::find("proc_exit").unwrap();
        assert_eq!((exit.params().len(), exit.results().len()), (1, 0));
        assert_eq!(WasiFunction::find("sched_yield").unwrap().params().len(), 0);
        assert!(WasiFunction::find("fd_fly").is_none());
    }
}

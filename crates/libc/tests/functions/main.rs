//! Every function of the libc, called as a guest calls it.

mod guest;
mod printf;
mod printf_host;
mod stdlib;
mod string;
mod tables;

//! An authority and a server's certificate, made by openssl below a lab's directory.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The name that the certificate is for, besides the server's address.
pub(crate) const NAME: &str = "keystone.lab";

/// The files (PEM).
#[derive(Debug)]
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Makes them for a server at this address.
pub(crate) fn make(directory: &Path, address: std::net::Ipv4Addr) -> Certificates {
    let file = |name: &str| directory.join(name);
    let (ca, ca_key, key) = (file("ca.pem"), file("ca.key"), file("server.key"));
    let (request, certificate, extensions) = (file("server.csr"), file("server.pem"), file("server.ext"));
    std::fs::write(&extensions, format!("subjectAltName=DNS:{NAME},IP:{address}\n")).unwrap();
    let run = |arguments: &str, files: &[(&str, &PathBuf)]| {
        let mut command = Command::new("/usr/bin/openssl");
        command.args(arguments.split(' '));
        files.iter().for_each(|(option, file)| _ = command.arg(option).arg(file));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc";
    run(&format!("req -x509 -days 2 -subj /CN=lab {KEY}"), &[("-keyout", &ca_key), ("-out", &ca)]);
    run(&format!("req -subj /CN=server {KEY}"), &[("-keyout", &key), ("-out", &request)]);
    run(
        "x509 -req -days 2 -set_serial 1",
        &[("-in", &request), ("-CA", &ca), ("-CAkey", &ca_key), ("-extfile", &extensions), ("-out", &certificate)],
    );
    // Servers read them as users of their own.
    for path in [&ca, &certificate, &key] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    Certificates { ca, certificate, key }
}

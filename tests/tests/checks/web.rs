//! nginx, over HTTP and HTTPS.

use std::process::Command;
use std::time::Duration;

use lb_userspace::core::check::http::StatusSet;
use lb_userspace::core::config::model::{CheckKind, HttpCheck, Tls};
use pivot_tests::real::service::{await_listening, write};
use rustix::process::Signal;

use crate::certificates::{self, Certificates, NAME};
use crate::rig::{SERVER, TIMEOUT, check, lab, says};

const HTTP: u16 = 5000;
const HTTPS: u16 = 5443;

fn get(path: &str) -> HttpCheck {
    HttpCheck {
        method: "GET".to_owned(),
        path: path.to_owned(),
        host: None,
        headers: Vec::new(),
        expect_status: StatusSet::default(),
        expect_body: None,
    }
}

fn configuration(directory: &std::path::Path, address: std::net::Ipv4Addr, files: &Certificates) -> String {
    let (directory, certificate, key) = (directory.display(), files.certificate.display(), files.key.display());
    format!(
        "daemon off; master_process off; pid {directory}/nginx.pid; error_log stderr info;
events {{ }}
http {{
  access_log /dev/stdout;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  server {{
    listen {address}:{HTTP};
    listen {address}:{HTTPS} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    location = / {{ return 200 'node is synced'; }}
    location = /host {{ return 200 '$host $http_x_probe'; }}
    location = /moved {{ return 301 /; }}
    location = /down {{ return 503; }}
    location = /login {{ return 401; }}
  }}
}}
"
    )
}

#[test]
fn answers_are_judged_and_certificates_verified() {
    let lab = lab();
    let host = lab.node(SERVER);
    let files = certificates::make(lab.directory(), host.address);
    let directory = lab.directory().join("nginx");
    write(&directory, "nginx.conf", &configuration(&directory, host.address, &files)).unwrap();
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-e", "stderr", "-c"]).arg(directory.join("nginx.conf"));
    let mut server = host.spawn("nginx", command).unwrap();
    await_listening(host, HTTPS).unwrap();

    let http = |check: HttpCheck| says(&lab, HTTP, &CheckKind::Http(check));
    assert_eq!(http(get("/")), Ok("HTTP 200".into()));
    assert_eq!(http(HttpCheck { method: "HEAD".into(), ..get("/") }), Ok("HTTP 200".into()));
    assert_eq!(http(get("/moved")), Ok("HTTP 301".into()));
    assert_eq!(http(get("/down")), Err("HTTP 503, expected 2xx or 3xx".into()));
    assert_eq!(http(get("/login")), Err("HTTP 401, expected 2xx or 3xx".into()));
    let login = StatusSet::new(vec![401..=401]);
    assert_eq!(http(HttpCheck { expect_status: login, ..get("/login") }), Ok("HTTP 401".into()));
    assert_eq!(http(HttpCheck { expect_body: Some("synced".into()), ..get("/") }), Ok("HTTP 200".into()));
    let other = http(HttpCheck { expect_body: Some("joining".into()), ..get("/") });
    assert_eq!(other, Err("the body does not contain \"joining\"".into()));
    let named = HttpCheck {
        host: Some(NAME.into()),
        headers: vec![("X-Probe".into(), "pivot".into())],
        expect_body: Some(format!("{NAME} pivot")),
        ..get("/host")
    };
    assert_eq!(http(named), Ok("HTTP 200".into()));

    let https = |tls: Tls| check(&lab, HTTPS, &CheckKind::Http(get("/")), Some(&tls), TIMEOUT).outcome.verdict;
    let ca = || Some(files.ca.clone());
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(https(Tls { ca: ca(), ..Tls::default() }), Ok("HTTP 200".into()), "the certificate names the address");
    assert_eq!(https(Tls { ca: ca(), sni: named(NAME), ..Tls::default() }), Ok("HTTP 200".into()));
    assert_eq!(https(Tls { insecure: true, ..Tls::default() }), Ok("HTTP 200".into()));
    for wrong in [Tls { ca: ca(), sni: named("glance.lab"), ..Tls::default() }, Tls::default()] {
        let why = https(wrong.clone()).unwrap_err();
        assert!(why.starts_with("the server's certificate is refused: "), "{wrong:?}: {why}");
    }
    let plain = check(&lab, HTTP, &CheckKind::Tcp, Some(&Tls { insecure: true, ..Tls::default() }), TIMEOUT);
    assert_eq!(plain.outcome.verdict, Err("the server does not speak TLS".into()));
    let port = check(&lab, HTTPS, &CheckKind::Tcp, Some(&Tls { ca: ca(), ..Tls::default() }), TIMEOUT);
    assert!(port.outcome.has_passed(), "{port:?}");

    server.signal(Signal::STOP).unwrap();
    let silent = check(&lab, HTTP, &CheckKind::Http(get("/")), None, Duration::from_millis(300));
    assert_eq!(silent.outcome.verdict, Err("timed out after 300 ms while waiting for the answer".into()));
    server.kill().unwrap();
    assert_eq!(http(get("/")), Err("connection refused".into()));
}

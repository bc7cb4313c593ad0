//! Compiles the proto file with a compiler written in Rust, so that no `protoc` has to be installed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto/link.proto");
    let files = protox::compile(["proto/link.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".halo.link.v1.Rows.data")
        // Has its own, which shows nothing.
        .skip_debug([".halo.link.v1.DatabaseLogin"])
        .compile_fds(files)?;
    Ok(())
}

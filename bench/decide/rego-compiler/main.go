// Compiles a Rego file to WebAssembly, as `opa build --target wasm` does.
// Usage: rego-compiler FILE ENTRYPOINT >policy.wasm
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/open-policy-agent/opa/v1/compile"
)

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: rego-compiler FILE ENTRYPOINT"))
	}
	compiler := compile.New().WithTarget(compile.TargetWasm).WithPaths(os.Args[1]).WithEntrypoints(os.Args[2])
	if err := compiler.Build(context.Background()); err != nil {
		fail(err)
	}
	modules := compiler.Bundle().WasmModules
	if len(modules) != 1 {
		fail(fmt.Errorf("%d modules instead of one", len(modules)))
	}
	if _, err := os.Stdout.Write(modules[0].Raw); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "rego-compiler:", err)
	os.Exit(1)
}

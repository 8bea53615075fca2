# The commands of daily work. `just` is at https://just.systems; every recipe is one or two commands that can be typed
# as well.

# List the recipes.
default:
    @just --list

# Format, and apply clippy's fixes.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# Format check and lint, as CI does.
lint:
    bash .ci/run lint

# Test the rules alone, in seconds.
rules:
    cargo test -p arcadia-domain

# Run one integration test: a file of tests/it, or a test in it.
promise name:
    cargo test -p arcadia-tests --test it -- {{ name }}

# Write every generated document anew, in the order of their dependencies.
docs:
    bash infra/ci/generate-docs

# Take the screenshots of docs/console.md anew.
pictures:
    UPDATE_DOCS=1 UPDATE_PICTURES=1 cargo test -p arcadia-tests --test it -- console_pictures

# Run every check that a change must pass before it is merged.
ci:
    bash .ci/run

// Command go-tuf refreshes a TUF repository and downloads one target, trusting a root file only.
// LOCAL_DIR keeps the last state seen: a second run with the same one refuses an older state.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"
)

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: go-tuf ROOT_FILE METADATA_URL TARGETS_URL LOCAL_DIR TARGET_NAME")
		os.Exit(2)
	}
	path, err := fetch(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	if err != nil {
		fmt.Fprintf(os.Stderr, "refused: %v\n", err)
		os.Exit(1)
	}
	fmt.Println(path)
}

func fetch(rootFile, metadataURL, targetsURL, local, target string) (string, error) {
	root, err := os.ReadFile(rootFile)
	if err != nil {
		return "", err
	}
	settings, err := config.New(metadataURL, root)
	if err != nil {
		return "", err
	}
	settings.RemoteTargetsURL = targetsURL
	settings.LocalMetadataDir = filepath.Join(local, "metadata")
	settings.LocalTargetsDir = filepath.Join(local, "targets")
	// A refusal must be quick: no retries of what the loopback server does not have.
	if err := settings.SetDefaultFetcherRetry(0, 1); err != nil {
		return "", err
	}
	client, err := updater.New(settings)
	if err != nil {
		return "", err
	}
	if err := client.Refresh(); err != nil {
		return "", fmt.Errorf("refresh: %w", err)
	}
	info, err := client.GetTargetInfo(target)
	if err != nil {
		return "", fmt.Errorf("target %s: %w", target, err)
	}
	path, _, err := client.DownloadTarget(info, "", "")
	if err != nil {
		return "", fmt.Errorf("download %s: %w", target, err)
	}
	return path, nil
}

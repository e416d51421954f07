from sedd_cli.cli.main import main

main()

// howdah completion: scripts that ask `howdah COMMAND --help` for the options, so that they are
// never behind the program.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands.hpp"
#include "cli/exit_status.hpp"

namespace howdah::cli {
namespace {

constexpr std::string_view kExamples =
    "\nExamples:\n"
    "  source <(howdah completion bash)                   in ~/.bashrc\n"
    "  source <(howdah completion zsh)                    in ~/.zshrc\n"
    "  howdah completion fish > ~/.config/fish/completions/howdah.fish\n";

// {0}: the commands. Words of the second level stand indented under a help's "Subcommands:".
constexpr std::string_view kBash = R"(_howdah() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} help words
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W '{0} help' -- "$current"))
        [[ ${{#COMPREPLY[@]}} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$current"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
        migrate) ((COMP_CWORD == 2)) && words='status up down repair new' ;;
        config) ((COMP_CWORD == 2)) && words='check show reference' ;;
        completion) ((COMP_CWORD == 2)) && words='bash zsh fish' ;;
        help) words='{0}' ;;
    esac
    if [[ $current == -* ]]; then
        help=$("${{COMP_WORDS[0]}}" "${{COMP_WORDS[1]}}" --help 2>/dev/null)
        if [[ ${{COMP_WORDS[1]}} == migrate && ${{COMP_WORDS[2]}} != -* ]]; then
            help=$("${{COMP_WORDS[0]}}" migrate "${{COMP_WORDS[2]}}" --help 2>/dev/null)
        fi
        words=$(grep -oE -- '--[a-z][a-z-]+' <<<"$help" | sort -u)
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    elif [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _howdah howdah
)";

constexpr std::string_view kZsh = R"(autoload -U +X compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
)";

constexpr std::string_view kFish =
    R"(function __howdah_options
    set -l words (commandline -opc)
    set -l help (command $words[1] $words[2] --help 2>/dev/null)
    if test "$words[2]" = migrate; and test (count $words) -gt 2
        set help (command $words[1] migrate $words[3] --help 2>/dev/null)
    end
    string match -rga -- '(--[a-z][a-z-]+)' $help | sort -u
end
complete -c howdah -n 'not __fish_use_subcommand' -a '(string match -q -- "-*" (commandline -ct); and __howdah_options)'
complete -c howdah -n '__fish_seen_subcommand_from migrate' -a 'status up down repair new'
complete -c howdah -n '__fish_seen_subcommand_from config' -a 'check show reference'
)";

std::string names() {
    std::string all;
    for (const Command& command : commands()) {
        all.append(all.empty() ? "" : " ").append(command.name);
    }
    return all;
}

std::string script(std::string_view shell) {
    const std::string bash = fmt::format(fmt::runtime(kBash), names());
    if (shell == "bash") {
        return bash;
    }
    if (shell == "zsh") {
        return std::string(kZsh) + bash;
    }
    std::string fish(kFish);
    for (const Command& command : commands()) {
        fish += fmt::format("complete -c howdah -f -n __fish_use_subcommand -a {} -d \"{}\"\n",
                            command.name, command.summary);
    }
    return fish;
}

}  // namespace

int run_completion(int argc, char** argv) {
    std::string shell;
    CLI::App app("Prints the completion script for a shell.", "howdah completion");
    app.add_option("SHELL", shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    app.footer(std::string(kExamples));
    if (const auto ended = parse_arguments(app, argc, argv)) {
        return *ended;
    }
    fmt::print("{}", script(shell));
    return kFine;
}

}  // namespace howdah::cli

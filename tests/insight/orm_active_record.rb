# Requests as Active Record makes them: from parent to children, and from children to their parent.
# `lazy` and `lazy_parent` ask for each object, the other ways ask once or join.
require "active_record"

ActiveRecord::Base.establish_connection(ENV.fetch("DATABASE_URL"))

class Organization < ActiveRecord::Base
  has_many :contacts
end

class Contact < ActiveRecord::Base
  belongs_to :organization
end

def children(organizations) = organizations.each { |organization| organization.contacts.to_a }

def parents(contacts) = contacts.each { |contact| contact.organization.name }

ORGANIZATIONS = Organization.order(:id).limit(12)
# The first contact of each organization: twelve different parents.
CONTACTS = Contact.where("contacts.id in (select min(id) from contacts group by organization_id)")
                  .order("contacts.id").limit(12)
WAYS = {
  "lazy" => -> { children(ORGANIZATIONS.load) },
  "includes" => -> { children(ORGANIZATIONS.includes(:contacts)) },
  "eager_load" => -> { children(ORGANIZATIONS.eager_load(:contacts)) },
  "lazy_parent" => -> { parents(CONTACTS.load) },
  "includes_parent" => -> { parents(CONTACTS.includes(:organization)) },
}.freeze

5.times do
  WAYS.fetch(ARGV[0]).call
  ORGANIZATIONS.reset # each request asks anew
  CONTACTS.reset
  sleep 0.15 # the next request
end

import java.net.URI;
import java.util.List;
import java.util.function.Consumer;
import javax.persistence.Column;
import javax.persistence.Entity;
import javax.persistence.FetchType;
import javax.persistence.GeneratedValue;
import javax.persistence.Id;
import javax.persistence.JoinColumn;
import javax.persistence.ManyToOne;
import javax.persistence.OneToMany;
import javax.persistence.Table;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.Configuration;

@Entity
@Table(name = "organizations")
class Organization {
    @Id @GeneratedValue Long id;
    String name;
    @OneToMany(mappedBy = "organization") List<Contact> contacts;
}

@Entity
@Table(name = "contacts")
class Contact {
    @Id @GeneratedValue Long id;
    @Column String email;
    @ManyToOne(fetch = FetchType.LAZY) @JoinColumn(name = "organization_id")
    Organization organization;
}

/**
 * Requests as Hibernate makes them: {@code lazy} and {@code lazy_parent} ask for each object,
 * {@code fetch} and {@code fetch_parent} join.
 */
class HibernateLoop {
    static void children(Session session, String join) {
        for (Object each : session.createQuery("select distinct o from Organization o " + join
                 + " where o.id <= 12 order by o.id").list()) {
            ((Organization) each).contacts.size();
        }
    }

    // The first contact of each organization: twelve different parents.
    static void parents(Session session, String join) {
        for (Object each : session.createQuery("select c from Contact c " + join + " where c.id in "
                 + "(select min(x.id) from Contact x where x.organization.id <= 12 "
                 + "group by x.organization.id) order by c.id").list()) {
            org.hibernate.Hibernate.initialize(((Contact) each).organization);
        }
    }

    static Consumer<Session> way(String name) {
        return switch (name) {
            case "lazy" -> session -> children(session, "");
            case "fetch" -> session -> children(session, "left join fetch o.contacts");
            case "lazy_parent" -> session -> parents(session, "");
            case "fetch_parent" -> session -> parents(session, "join fetch c.organization");
            default -> throw new IllegalArgumentException(name);
        };
    }

    public static void main(String[] arguments) throws Exception {
        URI address = URI.create(System.getenv("DATABASE_URL"));
        String[] login = address.getUserInfo().split(":", 2);
        Configuration configuration = new Configuration()
            .setProperty("hibernate.dialect", "org.hibernate.dialect.PostgreSQLDialect")
            .setProperty("hibernate.connection.driver_class", "org.postgresql.Driver")
            .setProperty("hibernate.connection.url", "jdbc:postgresql://" + address.getHost() + ":"
                + address.getPort() + address.getPath() + "?ApplicationName="
                + address.getQuery().replace("application_name=", ""))
            .setProperty("hibernate.connection.username", login[0])
            .setProperty("hibernate.connection.password", login[1])
            .setProperty("hibernate.temp.use_jdbc_metadata_defaults", "false")
            .addAnnotatedClass(Organization.class)
            .addAnnotatedClass(Contact.class);
        SessionFactory factory = configuration.buildSessionFactory();
        for (int i = 0; i < 5; i++) {
            Session session = factory.openSession();
            session.beginTransaction();
            way(arguments[0]).accept(session);
            session.getTransaction().commit();
            session.close();
            Thread.sleep(150); // the next request
        }
        factory.close();
    }
}
